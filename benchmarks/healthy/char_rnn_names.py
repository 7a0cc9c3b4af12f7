import json
import random
import string
import sys
import time

import torch
import torch.nn as nn

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
random.seed(seed)
torch.manual_seed(seed)

all_letters = string.ascii_lowercase + "'"
n_letters = len(all_letters)

# Surnames in the manner of four languages, put together from typical parts
parts = {
    "Italian": ("ros ferr bian rom ricc mar grec brun gall cont mor lomb bar fer sant", "an ett in ucc ell on", "i o a"),
    "Russian": ("ivan petr sidor smirn kuzn volk sokol popov mor nov kozl lebed tar bar zait", "ets ich ik ", "ov ev in sky"),
    "Japanese": ("taka yama naka mori fuji koba saka hashi kawa mura oka ishi matsu mar ino", "ya shi mi no ", "moto da ta ra"),
    "Irish": ("o'br o'con o'ne mcc mccar o'su murr kenn fitz dona gall byr mag mcg o'dw", "i a o e", "n y ll than"),
}
all_categories = list(parts)
n_categories = len(all_categories)
train_lines, test_lines = {}, {}
for category, (first, middle, last) in parts.items():
    names = sorted({a + b + c for a in first.split(" ") for b in middle.split(" ") for c in last.split(" ")})
    random.shuffle(names)
    names = names[:150]
    train_lines[category], test_lines[category] = names[:120], names[120:]
print({c: train_lines[c][:3] for c in all_categories})


def lineToTensor(line):
    tensor = torch.zeros(len(line), 1, n_letters)
    for li, letter in enumerate(line):
        tensor[li][0][all_letters.find(letter)] = 1
    return tensor


class RNN(nn.Module):
    def __init__(self, input_size, hidden_size, output_size):
        super(RNN, self).__init__()
        self.hidden_size = hidden_size
        self.i2h = nn.Linear(input_size, hidden_size)
        self.h2h = nn.Linear(hidden_size, hidden_size)
        self.h2o = nn.Linear(hidden_size, output_size)
        self.softmax = nn.LogSoftmax(dim=1)

    def forward(self, input, hidden):
        hidden = torch.tanh(self.i2h(input) + self.h2h(hidden))
        return self.softmax(self.h2o(hidden)), hidden

    def initHidden(self):
        return torch.zeros(1, self.hidden_size)


rnn = RNN(n_letters, 64, n_categories)
criterion = nn.NLLLoss()
learning_rate = 0.01


def evaluate(line_tensor):
    hidden = rnn.initHidden()
    for i in range(line_tensor.size()[0]):
        output, hidden = rnn(line_tensor[i], hidden)
    return output


def train(category_tensor, line_tensor):
    rnn.zero_grad()
    output = evaluate(line_tensor)
    loss = criterion(output, category_tensor)
    loss.backward()
    for p in rnn.parameters():
        p.data.add_(p.grad.data, alpha=-learning_rate)
    return output, loss.item()


n_iters, print_every = 4000, 500
current_loss = 0
start = time.time()
for it in range(1, n_iters + 1):
    category = random.choice(all_categories)
    line = random.choice(train_lines[category])
    category_tensor = torch.tensor([all_categories.index(category)], dtype=torch.long)
    output, loss = train(category_tensor, lineToTensor(line))
    current_loss += loss
    if it % print_every == 0:
        guess = all_categories[output.argmax(1).item()]
        correct = "✓" if guess == category else f"✗ ({category})"
        print(f"{it} {it / n_iters:.0%} ({time.time() - start:.0f}s) {current_loss / print_every:.4f} {line} / {guess} {correct}")
        current_loss = 0

confusion = torch.zeros(n_categories, n_categories)
rnn.eval()
with torch.no_grad():
    for c, category in enumerate(all_categories):
        for line in test_lines[category]:
            confusion[c][evaluate(lineToTensor(line)).argmax(1).item()] += 1
print(confusion.int())
acc = (confusion.trace() / confusion.sum()).item()
print("RESULT", json.dumps({"metric": "accuracy on unseen names", "value": round(acc, 4), "good": acc >= 0.9}))
