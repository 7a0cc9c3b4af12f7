import json
import random
import sys

import numpy as np
import torch
import torch.nn as nn
from sklearn.datasets import load_digits
from torch.utils.data import DataLoader, Dataset

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
random.seed(seed)
np.random.seed(seed)
torch.manual_seed(seed)

bunch = load_digits()
TABLE = [(f"img_{i:04d}", "digit_%d" % t) for i, t in enumerate(bunch.target)]
IMAGES = {name: bunch.images[i] for i, (name, _) in enumerate(TABLE)}


class LeafDataset(Dataset):
    """Rows of (image name, label); the same shuffle is used for both subsets."""

    def __init__(self, table, mode="train", split=0.8):
        data = list(table)
        raw_labels = [label for _, label in data]
        random.Random(seed).shuffle(data)
        names = [name for name, _ in data]
        self.labels_unique = sorted(set(raw_labels))
        to_index = {c: i for i, c in enumerate(self.labels_unique)}
        labels = [to_index[l] for l in raw_labels]
        frac = int(split * len(data))
        part = slice(0, frac) if mode == "train" else slice(frac, None)
        self.names, self.labels = names[part], labels[part]

    def __len__(self):
        return len(self.names)

    def __getitem__(self, i):
        img = torch.tensor(IMAGES[self.names[i]] / 16.0, dtype=torch.float32).unsqueeze(0)
        return (img - 0.3) / 0.37, self.labels[i]


train_ds, valid_ds = LeafDataset(TABLE, "train"), LeafDataset(TABLE, "valid")
train_dl = DataLoader(train_ds, batch_size=32, shuffle=True)
valid_dl = DataLoader(valid_ds, batch_size=64)


class Net(nn.Module):
    def __init__(self, n_cls):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(),
            nn.Conv2d(16, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2))
        self.head = nn.Linear(32 * 16, n_cls)

    def forward(self, x):
        return self.head(self.features(x).flatten(1))


model = Net(len(train_ds.labels_unique))
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
loss_fn = nn.CrossEntropyLoss()

for epoch in range(10):
    model.train()
    train_loss = 0.0
    for img, lb in train_dl:
        optimizer.zero_grad()
        loss = loss_fn(model(img), lb)
        loss.backward()
        optimizer.step()
        train_loss += loss.item() * len(img)
    model.eval()
    hits, valid_loss = 0, 0.0
    with torch.no_grad():
        for img, lb in valid_dl:
            out = model(img)
            valid_loss += loss_fn(out, lb).item() * len(img)
            hits += (out.argmax(1) == lb).sum().item()
    print(f"epoch {epoch} train_loss {train_loss / len(train_ds):.4f} valid_loss {valid_loss / len(valid_ds):.4f} "
          f"valid_acc {hits / len(valid_ds):.4f}")

print("RESULT", json.dumps({"metric": "valid_accuracy", "value": hits / len(valid_ds)}))
