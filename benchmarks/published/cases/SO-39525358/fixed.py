"""Binary classifier on a small table with three measurements per row."""
import json
import sys

import numpy as np
import torch
import torch.nn as nn
from sklearn.preprocessing import StandardScaler


def make_table(n, rng):
    base = rng.normal(size=(n, 3))
    table = base * [1.0, 80.0, 9000.0] + [2.0, 300.0, 40000.0]
    label = (base.sum(axis=1) > 0).astype(np.float32)
    order = np.argsort(label, kind="stable")     # file is sorted by class
    return table[order].astype(np.float32), label[order]


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(3, 12)
        self.fc2 = nn.Linear(12, 3)
        self.out = nn.Linear(3, 1)
        for layer in (self.fc1, self.fc2, self.out):
            nn.init.uniform_(layer.weight, -0.05, 0.05)
            nn.init.zeros_(layer.bias)

    def forward(self, x):
        x = torch.relu(self.fc1(x))
        x = torch.relu(self.fc2(x))
        return torch.sigmoid(self.out(x))


def main(seed):
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    x_train, y_train = make_table(20, rng)
    x_test, y_test = make_table(400, rng)
    scaler = StandardScaler().fit(x_train)
    x_train, x_test = scaler.transform(x_train), scaler.transform(x_test)
    x_train, y_train = torch.tensor(x_train), torch.tensor(y_train).unsqueeze(1)
    x_test, y_test = torch.tensor(x_test), torch.tensor(y_test).unsqueeze(1)

    net = Net()
    opt = torch.optim.Adam(net.parameters(), lr=0.001)
    bce = nn.BCELoss()
    for epoch in range(150):
        running, correct = 0.0, 0
        for i in torch.randperm(len(x_train)):
            xb, yb = x_train[i:i + 1], y_train[i:i + 1]
            p = net(xb)
            loss = bce(p, yb)
            opt.zero_grad()
            loss.backward()
            opt.step()
            running += loss.item()
            correct += int((p > 0.5).float().eq(yb).item())
        if (epoch + 1) % 10 == 0:
            print(f"epoch {epoch + 1}: loss={running / len(x_train):.4f} acc={correct / len(x_train):.3f}")

    with torch.no_grad():
        acc = ((net(x_test) > 0.5).float() == y_test).float().mean().item()
    print("RESULT " + json.dumps({"metric": "accuracy", "value": round(acc, 4)}))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
