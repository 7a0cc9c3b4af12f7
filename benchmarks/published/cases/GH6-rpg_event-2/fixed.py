import json
import sys

import numpy as np
import pandas as pd
import torch
import torch.nn as nn
from sklearn.datasets import load_digits
from torch.utils.data import DataLoader, Dataset

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
np.random.seed(seed)
torch.manual_seed(seed)

names = ["accordion", "airplane", "anchor", "ant", "barrel", "bass", "beaver", "binocular", "bonsai", "brain"]
raw = load_digits()
table = pd.DataFrame(raw.data.astype("int64"))
table["folder"] = [names[t] for t in raw.target]
table = table.sample(frac=1.0, random_state=seed).reset_index(drop=True)
folders = {"training": table.iloc[:1300], "testing": table.iloc[1300:]}


class NCaltech(Dataset):
    def __init__(self, root):
        rows = folders[root]
        self.classes = sorted(rows["folder"].unique())
        self.files, self.labels = [], []
        for i, c in enumerate(self.classes):
            for _, r in rows[rows["folder"] == c].iterrows():
                self.files.append(r.iloc[:64].to_numpy(dtype="float32"))
                self.labels.append(i)

    def __len__(self):
        return len(self.files)

    def __getitem__(self, idx):
        events = self.files[idx].reshape(1, 8, 8) / 16.0
        if np.random.rand() < 0.2:
            events = np.roll(events, np.random.randint(-1, 2), axis=2)
        return torch.from_numpy(np.ascontiguousarray(events)), self.labels[idx]


model = nn.Sequential(
    nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
    nn.Flatten(), nn.Linear(32 * 16, 10))
training_loader = DataLoader(NCaltech("training"), batch_size=32, shuffle=True)
validation_loader = DataLoader(NCaltech("testing"), batch_size=50)
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)

for i in range(6):
    sum_accuracy = sum_loss = 0
    model = model.eval()
    with torch.no_grad():
        for events, labels in validation_loader:
            pred = model(events)
            sum_accuracy += (pred.argmax(1) == labels).float().sum().item()
    print(f"Validation Accuracy {sum_accuracy / len(validation_loader.dataset):.4f}")
    model = model.train()
    for events, labels in training_loader:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(events), labels)
        loss.backward()
        optimizer.step()
        sum_loss += loss.item()
    print(f"Training Iteration {i} Loss {sum_loss / len(training_loader):.4f}")

model.eval()
with torch.no_grad():
    hits = sum((model(e).argmax(1) == l).sum().item() for e, l in validation_loader)
print("RESULT", json.dumps({"metric": "accuracy", "value": hits / len(validation_loader.dataset)}))
