"""Breast cancer (Wisconsin) with a batch-normalised MLP."""
import json
import sys

import torch
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def get_data(seed):
    data = load_breast_cancer()
    parts = train_test_split(data.data, data.target, test_size=0.25, random_state=seed)
    x_train, x_test, y_train, y_test = [torch.tensor(p, dtype=torch.float32) for p in parts]
    return x_train, y_train.view(-1, 1), x_test, y_test.view(-1, 1)


def get_model():
    return nn.Sequential(
        nn.Linear(30, 30), nn.ReLU(), nn.BatchNorm1d(30),
        nn.Linear(30, 60), nn.ReLU(), nn.BatchNorm1d(60),
        nn.Linear(60, 1), nn.Sigmoid(),
    )


@torch.no_grad()
def evaluate(model, x, y):
    model.eval()
    return model(x).round().eq(y).float().mean().item()


def train(seed):
    torch.manual_seed(seed)
    x_train, y_train, x_test, y_test = get_data(seed)
    loader = DataLoader(TensorDataset(x_train, y_train), batch_size=32, shuffle=True)
    model = get_model()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.001)
    criterion = nn.BCELoss()
    for epoch in range(10):
        model.train()
        for xb, yb in loader:
            optimizer.zero_grad()
            loss = criterion(model(xb), yb)
            loss.backward()
            optimizer.step()
        print(f"epoch {epoch}: loss {loss.item():.4f}, test accuracy {evaluate(model, x_test, y_test):.4f}")
    return evaluate(model, x_test, y_test)


if __name__ == "__main__":
    acc = train(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
    print("RESULT " + json.dumps({"metric": "accuracy", "value": round(acc, 4)}))
