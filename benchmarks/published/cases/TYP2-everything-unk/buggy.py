import json
import random
import sys
from collections import Counter

import torch
import torch.nn as nn

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
random.seed(seed)
torch.manual_seed(seed)

GOOD = "Excellent Great Lovely Superb Wonderful Charming Brilliant Perfect".split()
BAD = "Awful Boring Terrible Poor Weak Dreadful Annoying Flat".split()
FILLER = "Movie Film Plot Actor Scene Music Story Camera Ending Director Role Script Screen Night Hour".split()


def review():
    label = random.randint(0, 1)
    words = [random.choice(FILLER) for _ in range(8)]
    for _ in range(3):
        words.append(random.choice((GOOD if label else BAD) if random.random() < 0.85 else (BAD if label else GOOD)))
    random.shuffle(words)
    return " ".join(words), label


def tokenize(text):
    return text.split()


train, test = [review() for _ in range(1200)], [review() for _ in range(400)]
counter = Counter(w.lower() for text, _ in train for w in tokenize(text))
stoi = {"<unk>": 0}
for word, _ in counter.most_common():
    stoi[word] = len(stoi)


def encode(samples):
    ids = [[stoi.get(w, 0) for w in tokenize(text)] for text, _ in samples]
    return torch.tensor(ids), torch.tensor([label for _, label in samples])


class SentimentLSTM(nn.Module):
    def __init__(self):
        super().__init__()
        self.emb = nn.Embedding(len(stoi), 16)
        self.lstm = nn.LSTM(16, 24, batch_first=True)
        self.fc = nn.Linear(24, 2)

    def forward(self, x):
        out, _ = self.lstm(self.emb(x))
        return self.fc(out.mean(1))


x, y = encode(train)
x_test, y_test = encode(test)
model = SentimentLSTM()
opt = torch.optim.Adam(model.parameters(), 0.005)
for epoch in range(8):
    for i in torch.randperm(len(x)).split(40):
        opt.zero_grad()
        loss = nn.functional.cross_entropy(model(x[i]), y[i])
        loss.backward()
        opt.step()
    with torch.no_grad():
        acc = (model(x_test).argmax(1) == y_test).float().mean().item()
    print(f"epoch {epoch} loss {loss.item():.3f} test {acc:.3f}")
print("RESULT", json.dumps({"metric": "accuracy", "value": acc}))
