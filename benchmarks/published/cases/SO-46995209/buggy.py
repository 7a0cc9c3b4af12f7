import json
import math
import sys

import torch
import torch.nn as nn


class SineNet(nn.Module):
    def __init__(self):
        super().__init__()
        widths = [1, 10, 90] + [10] * 9
        self.hidden = nn.ModuleList(nn.Linear(a, b) for a, b in zip(widths, widths[1:]))
        self.last = nn.Linear(widths[-1], 1)
        for m in [*self.hidden, self.last]:
            nn.init.xavier_uniform_(m.weight)
            nn.init.zeros_(m.bias)

    def forward(self, x):
        for layer in self.hidden:
            x = torch.tanh(layer(x))
        return torch.tanh(self.last(x))


def main():
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    torch.manual_seed(seed)

    t = torch.arange(1000.0).view(-1, 1)
    wave = torch.sin(3.5 * math.pi * t / 1000)
    pick = torch.randperm(1000)
    train, test = pick[:800], pick[800:]
    x = t

    net = SineNet()
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
    for epoch in range(20):
        shuffled = train[torch.randperm(len(train))]
        epoch_loss = 0.0
        for batch in shuffled.split(10):
            optimizer.zero_grad()
            loss = ((net(x[batch]) - wave[batch]) ** 2).mean()
            loss.backward()
            optimizer.step()
            epoch_loss += loss.item() * len(batch)
        with torch.no_grad():
            val = ((net(x[test]) - wave[test]) ** 2).mean().item()
        print(f"epoch {epoch + 1:2d}  train mse {epoch_loss / len(train):.4f}  val mse {val:.4f}")

    score = val / wave[test].var(unbiased=False).item()
    print("RESULT " + json.dumps({"metric": "mse / var(y)", "value": round(score, 6)}))


if __name__ == "__main__":
    main()
