import json
import sys

import torch
import torch.nn as nn
import torch.optim as optim
from sklearn.datasets import load_digits
from torch.utils.data import DataLoader, TensorDataset, random_split


def init_weights(m):
    if isinstance(m, nn.Linear):
        nn.init.kaiming_normal_(m.weight, nonlinearity="relu")
        m.bias.data.zero_()


class DeepNet(nn.Module):
    def __init__(self, depth=12, width=64):
        super().__init__()
        self.inp = nn.Linear(64, width)
        self.hidden = nn.ModuleList([nn.Linear(width, width) for _ in range(depth - 2)])
        self.out = nn.Linear(width, 10)
        self.apply(init_weights)

    def forward(self, x):
        x = torch.relu(self.inp(x))
        for layer in self.hidden:
            x = torch.relu(layer(x))
        return self.out(x)


if __name__ == "__main__":
    torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
    d = load_digits()
    full = TensorDataset(torch.FloatTensor(d.data / 8 - 1), torch.LongTensor(d.target))
    train, valid = random_split(full, [1400, len(full) - 1400])
    model = DeepNet()
    optimizer = optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    for epoch in range(15):
        for x, y in DataLoader(train, batch_size=32, shuffle=True):
            optimizer.zero_grad()
            loss = nn.CrossEntropyLoss()(model(x), y)
            loss.backward()
            optimizer.step()
        with torch.no_grad():
            x, y = next(iter(DataLoader(valid, batch_size=len(valid))))
            acc = (model(x).argmax(1) == y).float().mean().item()
        print(epoch, round(loss.item(), 4), round(acc, 4))
    print("RESULT", json.dumps({"metric": "accuracy", "value": acc}))
