"""Which of two marks comes first in a sequence of letters? A transformer encoder."""
import json
import sys

import torch
from torch import nn

LETTERS, LENGTH, FIRST, SECOND = 12, 16, 10, 11
WIDTH, BATCH, STEPS = 32, 64, 300


def batch(n, generator):
    x = torch.randint(LETTERS - 2, (n, LENGTH), generator=generator)
    places = torch.rand(n, LENGTH, generator=generator).argsort(1)[:, :2].sort(1).values
    y = torch.randint(2, (n,), generator=generator)
    rows = torch.arange(n)
    x[rows, places[:, 0]] = torch.where(y == 1, FIRST, SECOND)
    x[rows, places[:, 1]] = torch.where(y == 1, SECOND, FIRST)
    return x, y


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(LETTERS, WIDTH)
        self.place = nn.Parameter(0.1 * torch.randn(LENGTH, WIDTH))
        layer = nn.TransformerEncoderLayer(WIDTH, 4, 64, dropout=0.1, batch_first=True)
        self.layers = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(WIDTH, 2)

    def forward(self, x):
        return self.head(self.layers(self.embed(x) + self.place).mean(1))


def main(seed):
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed + 50)
    x_train, y_train = batch(3000, generator)
    x_test, y_test = batch(500, generator)
    model = Encoder()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    criterion = nn.CrossEntropyLoss()
    model.train()
    for step in range(STEPS):
        rows = torch.randint(len(x_train), (BATCH,))
        loss = criterion(model(x_train[rows]), y_train[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 100 == 99:
            print(f"step {step + 1} loss {loss.item():.4f}")
    model.eval()
    with torch.no_grad():
        accuracy = (model(x_test).argmax(1) == y_test).float().mean().item()
    print("RESULT", json.dumps({"metric": "accuracy", "value": accuracy}))


main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
