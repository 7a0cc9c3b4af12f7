"""Which of three wave forms is it? A GRU over 40 noisy samples."""
import argparse
import json
import math

import torch
import torch.nn as nn
from torch.utils.data import DataLoader, TensorDataset

LENGTH = 40


def waves(n, generator):
    kind = torch.randint(3, (n,), generator=generator)
    phase = 2 * math.pi * torch.rand(n, 1, generator=generator)
    angle = 2 * math.pi * 2 * torch.arange(LENGTH) / LENGTH + phase
    forms = torch.stack([angle.sin(), angle.sin().sign(), (angle / math.pi) % 2 - 1], 1)
    x = forms[torch.arange(n), kind] + 0.2 * torch.randn(n, LENGTH, generator=generator)
    return x.unsqueeze(-1), kind


class WaveNet(nn.Module):
    def __init__(self, hidden):
        super().__init__()
        self.rnn = nn.GRU(1, hidden, batch_first=True)
        self.head = nn.Linear(hidden, 3)

    def forward(self, x):
        out, _ = self.rnn(x)
        return self.head(out[:, -1])


def main(args):
    torch.manual_seed(args.seed)
    generator = torch.Generator().manual_seed(100 + args.seed)
    train = TensorDataset(*waves(900, generator))
    x_valid, y_valid = waves(400, generator)
    loader = DataLoader(train, batch_size=32, shuffle=True)
    model = WaveNet(args.hidden)
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=args.lr)
    for epoch in range(args.epochs):
        model.train()
        for x, y in loader:
            optimizer.zero_grad()
            loss = criterion(model(x), y)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
        model.eval()
        with torch.no_grad():
            out = model(x_valid)
            valid = criterion(out, y_valid).item()
        accuracy = (out.argmax(1) == y_valid).float().mean().item()
        print(f"epoch {epoch}: loss {loss.item():.3f}, valid {valid:.3f}, accuracy {accuracy:.3f}")
    print("RESULT", json.dumps({"metric": "accuracy", "value": accuracy}))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("seed", type=int, nargs="?", default=0)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--hidden", type=int, default=32)
    parser.add_argument("--lr", type=float, default=5e-3)
    main(parser.parse_args())
