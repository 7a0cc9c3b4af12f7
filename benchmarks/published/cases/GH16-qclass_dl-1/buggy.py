"""Question classification with an LSTM over padded token ids (TREC-like coarse classes)."""
import json
import sys

import numpy as np
import torch
import torch.nn as nn

CLASSES = ["ABBR", "DESC", "ENTY", "HUM", "LOC", "NUM"]
HEADS = {0: ["stand for", "abbreviation of", "acronym for"], 1: ["why does", "what is the meaning of", "how do you define"],
         2: ["what animal", "which colour", "what food"], 3: ["who invented", "whose wife was", "which actor"],
         4: ["where is", "what country", "which city"], 5: ["how many", "when did", "how far"]}
FILL = ("the a old new great river king war company computer world state book film game house first last most famous "
        "largest small american french german star moon car train of in on for with to by from and near").split()


def build(n, rng):
    out, labels = [], []
    for _ in range(n):
        c = rng.integers(6)
        head = HEADS[c][rng.integers(3)].split()
        k = rng.integers(2, 9)
        body = [FILL[i] for i in rng.integers(len(FILL), size=k)]
        pre = [FILL[i] for i in rng.integers(len(FILL), size=rng.integers(0, 3))]
        out.append(pre + head + body)
        labels.append(c)
    return out, np.array(labels)


class QuestionLSTM(nn.Module):
    def __init__(self, vocab, embed=50, hidden_unit=100, n_class=6):
        super().__init__()
        self.embedding = nn.Embedding(vocab, embed)
        self.lstm = nn.LSTM(embed, hidden_unit, batch_first=True)
        self.drop = nn.Dropout(0.5)
        self.out = nn.Linear(hidden_unit, n_class)

    def forward(self, x, real_len):
        outputs, _ = self.lstm(self.embedding(x))
        output = outputs[:, -1]
        return self.out(self.drop(output))


def main():
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    sents, y = build(3000, rng)
    words = sorted({w for s in sents for w in s})
    stoi = {w: i + 1 for i, w in enumerate(words)}
    max_len = 60
    x = torch.zeros(len(sents), max_len, dtype=torch.long)
    for i, s in enumerate(sents):
        x[i, :len(s)] = torch.tensor([stoi[w] for w in s])
    length = torch.tensor([len(s) for s in sents])
    y = torch.tensor(y)
    n_tr = 2400
    model = QuestionLSTM(len(words) + 1)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    loss_fn = nn.CrossEntropyLoss()
    for epoch in range(8):
        model.train()
        perm = torch.randperm(n_tr)
        total = 0.0
        for i in range(0, n_tr, 50):
            b = perm[i:i + 50]
            loss = loss_fn(model(x[b], length[b]), y[b])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(b)
        model.eval()
        with torch.no_grad():
            acc = (model(x[n_tr:], length[n_tr:]).argmax(1) == y[n_tr:]).float().mean().item()
        print(f"epoch {epoch + 1}: loss {total / n_tr:.4f} test acc {acc:.4f}")
    print("RESULT " + json.dumps({"metric": "test accuracy", "value": round(acc, 4)}))


if __name__ == "__main__":
    main()
