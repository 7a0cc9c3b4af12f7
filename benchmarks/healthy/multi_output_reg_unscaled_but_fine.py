"""Disease progression (25..346) from the ten diabetes features."""

import json
import sys

import torch
from sklearn.datasets import load_diabetes
from sklearn.metrics import mean_absolute_error, r2_score
from sklearn.model_selection import train_test_split
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class ProgressionNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.BatchNorm1d(10), nn.Linear(10, 32), nn.ReLU(), nn.Linear(32, 1))

    def forward(self, x):
        return self.net(x).squeeze(1)


def main():
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    torch.manual_seed(seed)
    X, y = load_diabetes(return_X_y=True)
    print(f"targets: {y.min():.0f}..{y.max():.0f}, mean {y.mean():.1f}")
    X_train, X_val, y_train, y_val = train_test_split(X, y, test_size=0.25, random_state=seed)
    mean, std = y_train.mean(), y_train.std()

    train_set = TensorDataset(torch.tensor(X_train).float(), torch.tensor((y_train - mean) / std).float())
    loader = DataLoader(train_set, batch_size=32, shuffle=True, drop_last=True)
    x_val = torch.tensor(X_val).float()

    model = ProgressionNet()
    loss_fn = nn.SmoothL1Loss()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.003)

    for epoch in range(20):
        model.train()
        total = 0.0
        for xb, yb in loader:
            optimizer.zero_grad()
            loss = loss_fn(model(xb), yb)
            loss.backward()
            optimizer.step()
            total += loss.item()
        model.eval()
        with torch.no_grad():
            prediction = model(x_val).numpy() * std + mean
        r2 = r2_score(y_val, prediction)
        if epoch % 5 == 4:
            mae = mean_absolute_error(y_val, prediction)
            print(f"epoch {epoch + 1}: loss {total / len(loader):.4f}, val MAE {mae:.1f}, val R2 {r2:.3f}")

    print("RESULT", json.dumps({"metric": "val_r2", "value": round(r2, 4), "good": r2 >= 0.3}))


if __name__ == "__main__":
    main()
