import json
import sys

import numpy as np
import torch
import torch.nn as nn
from torch.utils.data import DataLoader, Dataset


class AdultLike(Dataset):
    """Two categorical columns, four numeric ones; the csv is sorted by income."""

    def __init__(self, n, seed, sort):
        rng = np.random.default_rng(seed)
        job = rng.integers(0, 12, n)
        school = rng.integers(0, 8, n)
        nums = rng.normal(size=(n, 4))
        score = np.sin(job) + 0.5 * (school - 3.5) + nums[:, 0] - nums[:, 1] * (job % 2)
        y = (score + 0.5 * rng.normal(size=n) > 0.6).astype("float32")
        if sort:
            order = np.argsort(y, kind="stable")
            job, school, nums, y = job[order], school[order], nums[order], y[order]
        self.cats = torch.tensor(np.stack([job, school], 1))
        self.nums = torch.tensor(nums, dtype=torch.float32)
        self.y = torch.tensor(y)

    def __len__(self):
        return len(self.y)

    def __getitem__(self, i):
        return self.cats[i], self.nums[i], self.y[i]


class TabularNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.embeds = nn.ModuleList([nn.Embedding(12, 6), nn.Embedding(8, 4)])
        self.layers = nn.Sequential(nn.Linear(14, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 1))

    def forward(self, cats, nums):
        x = torch.cat([e(cats[:, i]) for i, e in enumerate(self.embeds)] + [nums], dim=1)
        return torch.sigmoid(self.layers(x)).squeeze(1)


seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
train_dl = DataLoader(AdultLike(4000, seed, sort=True), batch_size=100, shuffle=True)
val = AdultLike(1000, seed + 100, sort=False)

model = TabularNet()
loss_fn = nn.BCELoss()
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
for epoch in range(6):
    model.train()
    for cats, nums, y in train_dl:
        optimizer.zero_grad()
        loss = loss_fn(model(cats, nums), y)
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        out = model(val.cats, val.nums)
        acc = (out.round() == val.y).sum().item() / len(val)
    print(f"epoch {epoch} last batch loss {loss.item():.4f} validation accuracy {acc:.3f}")
print("RESULT", json.dumps({"metric": "accuracy", "value": acc}))
