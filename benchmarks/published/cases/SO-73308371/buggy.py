import argparse
import json

import torch
from sklearn.datasets import make_classification
from torch import nn, optim


class Net(nn.Module):
    def __init__(self, n_features):
        super().__init__()
        self.fc1 = nn.Linear(n_features, 128)
        self.fc2 = nn.Linear(128, 128)
        self.drop = nn.Dropout(0.1)
        self.fc3 = nn.Linear(128, 1)

    def forward(self, x):
        x = torch.relu(self.fc1(x))
        x = torch.relu(self.fc2(x))
        return self.fc3(self.drop(x)).squeeze(1)


def main(seed):
    torch.manual_seed(seed)
    X, y = make_classification(n_samples=500, n_features=10, n_informative=5, n_classes=3, random_state=seed)
    X = torch.tensor(X, dtype=torch.float32)
    y = torch.tensor(y, dtype=torch.float32)
    x_train, y_train, x_test, y_test = X[:100], y[:100], X[100:], y[100:]

    net = Net(10)
    criterion = nn.BCEWithLogitsLoss()
    optimizer = optim.Adam(net.parameters(), lr=0.001)

    for epoch in range(30):
        net.train()
        perm = torch.randperm(len(x_train))
        for i in range(0, len(x_train), 32):
            idx = perm[i:i + 32]
            optimizer.zero_grad()
            loss = criterion(net(x_train[idx]), y_train[idx])
            loss.backward()
            optimizer.step()
        print(f"epoch {epoch + 1}: loss {loss.item():.4f}")

    net.eval()
    with torch.no_grad():
        pred = (net(x_test) > 0).float()
    acc = (pred == y_test).float().mean().item()
    print("RESULT " + json.dumps({"metric": "accuracy", "value": round(acc, 4)}))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("seed", nargs="?", type=int, default=0)
    main(parser.parse_args().seed)
