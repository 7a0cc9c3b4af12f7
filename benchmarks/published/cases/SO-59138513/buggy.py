import json
import sys

import torch
import torch.nn as nn
from sklearn.datasets import make_classification
from sklearn.model_selection import train_test_split
from torch.utils.data import DataLoader, Dataset

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)


class Table(Dataset):
    def __init__(self, features, labels):
        self.features = torch.tensor(features, dtype=torch.float32)
        self.labels = torch.tensor(labels, dtype=torch.float32)

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, i):
        return self.features[i], self.labels[i]


X, y = make_classification(n_samples=1000, n_features=12, n_informative=5, random_state=seed)
X_train, X_val, y_train, y_val = train_test_split(X, y, test_size=0.2, random_state=seed)
train_loader = DataLoader(Table(X_train, y_train), batch_size=32, shuffle=True)
val_loader = DataLoader(Table(X_val, y_val), batch_size=200)

model = nn.Sequential(
    nn.Linear(12, 9),
    nn.Linear(9, 64),
    nn.Linear(64, 64),
    nn.Linear(64, 1),
    nn.Softmax(dim=1),
)
opt = torch.optim.Adam(model.parameters(), lr=0.001)
bce = nn.BCELoss()

for epoch in range(15):
    for features, labels in train_loader:
        opt.zero_grad()
        prob = model(features).squeeze(1)
        loss = bce(prob, labels)
        loss.backward()
        opt.step()

    hits, total = 0, 0
    with torch.no_grad():
        for features, labels in val_loader:
            guess = (model(features).squeeze(1) > 0.5).float()
            hits += (guess == labels).sum().item()
            total += len(labels)
    print("Epoch %d: last batch loss %.4f, validation accuracy %.3f" % (epoch + 1, loss.item(), hits / total))

print("RESULT " + json.dumps({"metric": "accuracy", "value": round(hits / total, 4)}))
