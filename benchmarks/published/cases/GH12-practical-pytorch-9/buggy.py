import json
import math
import random
import sys
import time

import torch
import torch.nn as nn

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
random.seed(seed)
torch.manual_seed(seed)
torch.set_num_threads(1)

all_letters = "abcdefghijklmnopqrstuvwxyz'-"
n_letters = len(all_letters)

# ---- surnames per language (made from syllables and endings) ----
LANGS = {
    "Italian": (["ra", "be", "mo", "lu", "gio", "ca", "vi", "ne"], ["ini", "elli", "ucci", "ato", "oni"]),
    "Russian": (["vo", "zha", "ku", "dro", "pe", "ty", "gri", "sme"], ["nov", "sky", "vich", "yev", "kin"]),
    "Japanese": (["ka", "shi", "to", "mu", "ya", "ha", "no", "ki"], ["moto", "yama", "shita", "da", "kawa"]),
    "Irish": (["o'", "mac", "fla", "ger", "don", "cal", "bre", "sul"], ["lan", "gan", "erty", "nell", "han"]),
    "Greek": (["pa", "kon", "the", "ni", "sta", "geo", "dia", "la"], ["poulos", "akis", "idis", "ellis", "atos"]),
    "German": (["sch", "wei", "bau", "klo", "fri", "hof", "stei", "rei"], ["mann", "ner", "berg", "ster", "feld"]),
}
all_categories = list(LANGS)
n_categories = len(all_categories)


def make_name(lang):
    syllables, endings = LANGS[lang]
    name = "".join(random.choice(syllables) for _ in range(random.randint(1, 2)))
    return name + random.choice(endings)


category_lines, test_lines = {}, {}
for lang in all_categories:
    names = set()
    while len(names) < 240:
        names.add(make_name(lang))
    names = sorted(names)
    random.shuffle(names)
    category_lines[lang], test_lines[lang] = names[:190], names[190:]


def lineToTensor(line):
    tensor = torch.zeros(len(line), 1, n_letters)
    for li, letter in enumerate(line):
        tensor[li][0][all_letters.find(letter)] = 1
    return tensor


class RNN(nn.Module):
    def __init__(self, input_size, hidden_size, output_size):
        super(RNN, self).__init__()
        self.hidden_size = hidden_size
        self.i2h = nn.Linear(input_size + hidden_size, hidden_size)
        self.i2o = nn.Linear(input_size + hidden_size, output_size)
        self.softmax = nn.LogSoftmax(dim=1)

    def forward(self, input, hidden):
        combined = torch.cat((input, hidden), 1)
        hidden = torch.tanh(self.i2h(combined))
        output = self.i2o(combined)
        output = self.softmax(output)
        return output, hidden

    def initHidden(self):
        return torch.zeros(1, self.hidden_size)


n_hidden = 64
rnn = RNN(n_letters, n_hidden, n_categories)


def categoryFromOutput(output):
    top_n, top_i = output.topk(1)
    category_i = top_i[0][0].item()
    return all_categories[category_i], category_i


# try the net on one letter / one name
input = lineToTensor("albert")
output, next_hidden = rnn(input[0], rnn.initHidden())
print(categoryFromOutput(output))


def randomTrainingPair():
    category = random.choice(all_categories)
    line = random.choice(category_lines[category])
    category_tensor = torch.LongTensor([all_categories.index(category)])
    return category, line, category_tensor, lineToTensor(line)


criterion = nn.NLLLoss()
learning_rate = 0.02
optimizer = torch.optim.SGD(rnn.parameters(), lr=learning_rate)


def train(category_tensor, line_tensor):
    hidden = rnn.initHidden()
    optimizer.zero_grad()
    for i in range(line_tensor.size()[0]):
        output, hidden = rnn(line_tensor[i], hidden)
    loss = criterion(output, category_tensor)
    loss.backward()
    optimizer.step()
    return output, loss.item()


n_epochs = 7000
print_every = 700
plot_every = 350

rnn = RNN(n_letters, n_hidden, n_categories)

# Keep track of losses for plotting
current_loss = 0
all_losses = []


def timeSince(since):
    s = time.time() - since
    m = math.floor(s / 60)
    return '%dm %ds' % (m, s - m * 60)


start = time.time()
for epoch in range(1, n_epochs + 1):
    category, line, category_tensor, line_tensor = randomTrainingPair()
    output, loss = train(category_tensor, line_tensor)
    current_loss += loss

    if epoch % print_every == 0:
        guess, guess_i = categoryFromOutput(output)
        correct = 'ok' if guess == category else 'wrong (%s)' % category
        print('%d %d%% (%s) %.4f %s / %s %s' % (epoch, epoch / n_epochs * 100, timeSince(start), loss, line, guess, correct))

    if epoch % plot_every == 0:
        all_losses.append(current_loss / plot_every)
        current_loss = 0

print("losses", [round(l, 3) for l in all_losses])


def evaluate(line_tensor):
    hidden = rnn.initHidden()
    for i in range(line_tensor.size()[0]):
        output, hidden = rnn(line_tensor[i], hidden)
    return output


right = total = 0
with torch.no_grad():
    for c, lang in enumerate(all_categories):
        for name in test_lines[lang]:
            right += int(categoryFromOutput(evaluate(lineToTensor(name)))[1] == c)
            total += 1
print("RESULT " + json.dumps({"metric": "accuracy on held-out names", "value": right / total}))
