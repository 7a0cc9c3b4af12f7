"""CTC: read a digit string off a noisy strip, without knowing where each digit stands. At first only blanks come out."""

import json
import sys

import torch
import torch.nn as nn

CLASSES, WIDTH, CHANNELS = 5, 30, 8
torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
glyphs = torch.randn(CLASSES, CHANNELS, 4)


def strips(n):
    x = 0.4 * torch.randn(n, CHANNELS, WIDTH)
    targets, lengths = torch.zeros(n, 5, dtype=torch.long), torch.randint(2, 6, (n,))
    for i in range(n):
        at = int(torch.randint(0, 4, (1,)))
        for j in range(int(lengths[i])):
            c = int(torch.randint(CLASSES, (1,)))
            x[i, :, at : at + 4] += glyphs[c]
            targets[i, j] = c + 1
            at += 5
    return x, targets, lengths


class Reader(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv1d(CHANNELS, 32, 5, padding=2)
        self.gru = nn.GRU(32, 32, batch_first=True, bidirectional=True)
        self.out = nn.Linear(64, CLASSES + 1)

    def forward(self, x):
        h = torch.relu(self.conv(x)).transpose(1, 2)
        return self.out(self.gru(h)[0]).log_softmax(-1)


def greedy(log_probs):
    texts = []
    for path in log_probs.argmax(-1).tolist():
        texts.append([c for c, before in zip(path, [0] + path) if c and c != before])
    return texts


x, targets, lengths = strips(800)
x_test, t_test, l_test = strips(200)
model = Reader()
ctc = nn.CTCLoss(blank=0, zero_infinity=True)
optimizer = torch.optim.Adam(model.parameters(), lr=4e-3)
for epoch in range(10):
    for i in torch.randperm(800).split(40):
        log_probs = model(x[i]).transpose(0, 1)
        loss = ctc(log_probs, targets[i], torch.full((len(i),), WIDTH), lengths[i])
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimizer.step()
    with torch.no_grad():
        read = greedy(model(x_test))
    right = sum(r == t[:n].tolist() for r, t, n in zip(read, t_test, l_test)) / 200
    print(f"epoch {epoch}: loss {loss.item():.4f} read right {right:.3f}")
print("RESULT", json.dumps({"metric": "strings_right", "value": round(right, 4), "good": right >= 0.8}))
