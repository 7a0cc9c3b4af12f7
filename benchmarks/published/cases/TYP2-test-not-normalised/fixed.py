import json
import sys

import torch
import torch.nn as nn
from sklearn.datasets import load_wine
from torch.utils.data import DataLoader, Dataset


class Wine(Dataset):
    def __init__(self, split, seed):
        X, y = load_wine(return_X_y=True)
        g = torch.Generator().manual_seed(seed)
        perm = torch.randperm(len(y), generator=g)
        X, y = torch.tensor(X, dtype=torch.float32)[perm], torch.tensor(y)[perm]
        n = 120
        self.mean, self.std = X[:n].mean(0), X[:n].std(0)
        if split == "train":
            self.X, self.y = X[:n], y[:n]
        else:
            self.X, self.y = X[n:], y[n:]
        self.X = (self.X - self.mean) / self.std

    def __len__(self):
        return len(self.y)

    def __getitem__(self, idx):
        return self.X[idx], self.y[idx]


seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
train_loader = DataLoader(Wine("train", seed), batch_size=16, shuffle=True)
valid_loader = DataLoader(Wine("valid", seed), batch_size=16)
model = nn.Sequential(nn.Linear(13, 32), nn.ReLU(), nn.Linear(32, 3))
opt = torch.optim.Adam(model.parameters(), lr=5e-3)
criterion = nn.CrossEntropyLoss()
for epoch in range(40):
    model.train()
    for x, y in train_loader:
        opt.zero_grad()
        loss = criterion(model(x), y)
        loss.backward()
        opt.step()
    model.eval()
    n = hits = val_loss = 0
    with torch.no_grad():
        for x, y in valid_loader:
            out = model(x)
            val_loss += criterion(out, y).item() * len(y)
            hits += (out.argmax(1) == y).sum().item()
            n += len(y)
    if epoch % 5 == 4:
        print(f"epoch {epoch + 1} loss {loss.item():.3f} val loss {val_loss / n:.3f} val acc {hits / n:.3f}")
print("RESULT", json.dumps({"metric": "accuracy", "value": hits / n}))
