import json
import sys

import torch
import torch.nn as nn

T, K = 60, 4


def batch(n):
    """the first symbol (1..4) is the class, then noise symbols (5..12)"""
    y = torch.randint(0, K, (n,))
    x = torch.randint(5, 13, (n, T))
    x[:, 0] = y + 1
    return x, y


class RecallNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.emb = nn.Embedding(13, 16)
        self.rnn = nn.RNN(16, 48, batch_first=True)
        self.fc = nn.Linear(48, K)

    def forward(self, x):
        out, _ = self.rnn(self.emb(x))
        return self.fc(out[:, -1])


torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
net = RecallNet()
optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
running = None
for step in range(250):
    x, y = batch(32)
    loss = nn.functional.cross_entropy(net(x), y)
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(net.parameters(), 1.0)
    optimizer.step()
    running = loss.item() if running is None else 0.98 * running + 0.02 * loss.item()
    if step % 50 == 49:
        print(f"step {step + 1}: running loss {running:.4f}")
x, y = batch(1000)
with torch.no_grad():
    acc = (net(x).argmax(1) == y).float().mean().item()
print("RESULT", json.dumps({"metric": "accuracy", "value": acc}))
