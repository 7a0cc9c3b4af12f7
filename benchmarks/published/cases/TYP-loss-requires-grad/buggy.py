import argparse
import json

import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn


class Classifier(nn.Module):
    def __init__(self, n_in, n_out):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(n_in, 64), nn.ReLU(), nn.Linear(64, n_out))

    def forward(self, x):
        return self.net(x)


def train_one_epoch(model, X, y, optimizer, criterion, batch_size):
    model.train()
    losses = []
    for idx in torch.randperm(len(X)).split(batch_size):
        output = model(X[idx])
        prediction = torch.argmax(output, dim=1)
        loss = criterion(prediction.float(), y[idx].float())
        loss.requires_grad_(True)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return sum(losses) / len(losses)


def evaluate(model, X, y):
    model.eval()
    with torch.no_grad():
        return (model(X).argmax(1) == y).float().mean().item()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("seed", nargs="?", type=int, default=0)
    parser.add_argument("--lr", default=1e-3, type=float)
    opt = parser.parse_args()
    torch.manual_seed(opt.seed)
    X, y = load_digits(return_X_y=True)
    X_train, X_test, y_train, y_test = train_test_split(X / 16, y, random_state=opt.seed)
    X_train, X_test = torch.tensor(X_train).float(), torch.tensor(X_test).float()
    y_train, y_test = torch.tensor(y_train), torch.tensor(y_test)
    model = Classifier(64, 10)
    optimizer = torch.optim.Adam(model.parameters(), lr=opt.lr)
    for epoch in range(15):
        loss = train_one_epoch(model, X_train, y_train, optimizer, nn.MSELoss(), 32)
        acc = evaluate(model, X_test, y_test)
        print(f"epoch {epoch} loss {loss:.3f} acc {acc:.3f}")
    print("RESULT", json.dumps({"metric": "accuracy", "value": acc}))
