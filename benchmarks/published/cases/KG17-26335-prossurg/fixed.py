"""Prostate cancer risk model on the registry extract (MLP, PyTorch)."""
import json
import sys

import numpy as np
import torch
import torch.nn as nn
from torch.utils.data import DataLoader, TensorDataset

SEED = int(sys.argv[1]) if len(sys.argv) > 1 else 0
np.random.seed(SEED)
torch.manual_seed(SEED)
torch.set_num_threads(1)

LAB_COLUMNS = ["LAB%02d" % i for i in range(24)]
COLUMNS = ["AGE", "PSA", "PROSSURG"] + LAB_COLUMNS
FEATURES = [c for c in COLUMNS if c != "PROSSURG"]


def registry(n, rng, at_referral):
    """One row per patient: age, PSA, surgery flag, lab panel, diagnosis."""
    age = rng.normal(64, 8, n)
    psa = rng.gamma(2.0, 2.5, n)
    labs = rng.normal(0, 1, (n, len(LAB_COLUMNS)))
    score = (0.9 * (age - 64) / 8 + 1.3 * (psa - 5) / 3.5
             + labs[:, :6] @ np.array([1.0, -0.9, 0.8, 0.7, -0.7, 0.6])
             + 0.9 * labs[:, 6] * labs[:, 7])
    y = (score + rng.normal(0, 0.5, n) > 0).astype(np.float32)
    surgery = np.where(y == 1, rng.random(n) < 0.96, rng.random(n) < 0.01).astype(float)
    if at_referral:
        surgery[:] = 0.0
    table = np.column_stack([age, psa, surgery, labs])
    return table.astype(np.float32), y


class RiskNet(nn.Module):
    def __init__(self, n_in):
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(n_in, 64), nn.ReLU(),
            nn.Linear(64, 32), nn.ReLU(),
            nn.Linear(32, 1))

    def forward(self, x):
        return self.net(x).squeeze(1)


def accuracy(model, x, y):
    model.eval()
    with torch.no_grad():
        return float(((model(x) > 0).float() == y).float().mean())


def main():
    rng = np.random.default_rng(1000 + SEED)
    x_all, y_all = registry(6000, rng, at_referral=False)
    x_new, y_new = registry(2000, rng, at_referral=True)
    keep = [COLUMNS.index(c) for c in FEATURES]
    x_all, x_new = x_all[:, keep], x_new[:, keep]

    x_train, x_val = x_all[:5000], x_all[5000:]
    y_train, y_val = y_all[:5000], y_all[5000:]
    mean, std = x_train.mean(0), x_train.std(0) + 1e-6
    to = lambda a: torch.from_numpy(((a - mean) / std).astype(np.float32))
    x_train, x_val, x_new = to(x_train), to(x_val), to(x_new)
    y_train, y_val, y_new = map(torch.from_numpy, (y_train, y_val, y_new))

    loader = DataLoader(TensorDataset(x_train, y_train), batch_size=64, shuffle=True)
    model = RiskNet(x_train.shape[1])
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, weight_decay=1e-4)
    criterion = nn.BCEWithLogitsLoss()
    for epoch in range(30):
        model.train()
        total = 0.0
        for xb, yb in loader:
            optimizer.zero_grad()
            loss = criterion(model(xb), yb)
            loss.backward()
            optimizer.step()
            total += loss.item() * len(xb)
        if epoch % 5 == 4:
            print("epoch %2d  train loss %.4f  val acc %.4f"
                  % (epoch + 1, total / len(x_train), accuracy(model, x_val, y_val)))
    acc = accuracy(model, x_new, y_new)
    print("accuracy on newly referred patients: %.4f" % acc)
    print("RESULT " + json.dumps({"metric": "new_patient_accuracy", "value": round(acc, 4)}))


if __name__ == "__main__":
    main()
