# Predict the next bit of a binary sequence from the three bits before it
import json
import sys

import numpy as np
import torch
import torch.nn as nn

SEED = int(sys.argv[1]) if len(sys.argv) > 1 else 0
np.random.seed(SEED)
torch.manual_seed(SEED)

STEPS = 3


def binary_sequence(n):
    bits = list(np.random.randint(0, 2, STEPS))
    while len(bits) < n:
        nxt = 1 - bits[-1] if np.random.rand() < 0.8 else bits[-1]
        bits.append(int(nxt))
    return np.array(bits)


def windows(bits):
    x = np.stack([bits[i:i + STEPS] for i in range(len(bits) - STEPS)])
    return (torch.tensor(x, dtype=torch.float32).unsqueeze(-1),
            torch.tensor(bits[STEPS:], dtype=torch.float32).unsqueeze(-1))


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(1, 1, batch_first=True)
        self.dense = nn.Linear(1, 1)
        nn.init.xavier_uniform_(self.lstm.weight_ih_l0)
        nn.init.orthogonal_(self.lstm.weight_hh_l0)
        nn.init.zeros_(self.lstm.bias_hh_l0)
        nn.init.zeros_(self.lstm.bias_ih_l0)
        self.lstm.bias_ih_l0.data[1] = 1.0
        nn.init.xavier_uniform_(self.dense.weight)
        nn.init.zeros_(self.dense.bias)

    def forward(self, x):
        out, _ = self.lstm(x)
        return torch.sigmoid(self.dense(out[:, -1]))


vecX, vecY = windows(binary_sequence(5000))
split = 4000
net = Net()
optimizer = torch.optim.Adagrad(net.parameters(), lr=0.01)
for epoch in range(120):
    order = torch.randperm(split)
    losses, hits = [], 0
    for idx in order.split(256):
        p = net(vecX[idx])
        loss = nn.functional.binary_cross_entropy(p.clamp(1e-7, 1 - 1e-7), vecY[idx])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        hits += ((p > 0.5).float() == vecY[idx]).sum().item()
    if epoch % 20 == 0:
        print(f"Epoch {epoch} - loss: {np.mean(losses):.4f} - acc: {hits / split:.4f}")

net.eval()
with torch.no_grad():
    acc = ((net(vecX[split:]) > 0.5).float() == vecY[split:]).float().mean().item()
print("RESULT", json.dumps({"metric": "accuracy", "value": acc}))
