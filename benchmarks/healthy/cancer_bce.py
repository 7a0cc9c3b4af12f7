"""Breast cancer (Wisconsin) diagnosis with BCEWithLogitsLoss and batch normalisation.
Modelled after the Kaggle / Towards Data Science binary classification notebooks."""
import json
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_breast_cancer
from sklearn.metrics import accuracy_score, roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from torch.utils.data import DataLoader, Dataset

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)


class CancerDataset(Dataset):
    def __init__(self, x, y):
        self.x = torch.from_numpy(x).float()
        self.y = torch.from_numpy(y).float()

    def __len__(self):
        return len(self.x)

    def __getitem__(self, i):
        return self.x[i], self.y[i]


class Net(nn.Module):
    def __init__(self, d):
        super().__init__()
        self.fc1 = nn.Linear(d, 24)
        self.bn1 = nn.BatchNorm1d(24)
        self.fc2 = nn.Linear(24, 12)
        self.bn2 = nn.BatchNorm1d(12)
        self.dropout = nn.Dropout(0.3)
        self.head = nn.Linear(12, 1)

    def forward(self, x):
        x = self.dropout(F.relu(self.bn1(self.fc1(x))))
        x = self.dropout(F.relu(self.bn2(self.fc2(x))))
        return self.head(x).squeeze(1)


def run_epoch(model, loader, loss_fn, opt=None):
    model.train(opt is not None)
    total, n = 0.0, 0
    with torch.set_grad_enabled(opt is not None):
        for x, y in loader:
            loss = loss_fn(model(x), y)
            if opt is not None:
                opt.zero_grad()
                loss.backward()
                opt.step()
            total += loss.item() * len(x)
            n += len(x)
    return total / n


X, y = load_breast_cancer(return_X_y=True)
X_tr, X_te, y_tr, y_te = train_test_split(X, y, test_size=0.25, stratify=y, random_state=seed)
sc = StandardScaler()
X_tr = sc.fit_transform(X_tr)
X_te = sc.transform(X_te)
train_dl = DataLoader(CancerDataset(X_tr, y_tr), batch_size=32, shuffle=True, drop_last=True)
test_dl = DataLoader(CancerDataset(X_te, y_te), batch_size=128)

model = Net(X.shape[1])
loss_fn = nn.BCEWithLogitsLoss()
opt = torch.optim.Adam(model.parameters(), lr=1e-3, weight_decay=1e-3)
for epoch in range(60):
    tr = run_epoch(model, train_dl, loss_fn, opt)
    te = run_epoch(model, test_dl, loss_fn)
    if (epoch + 1) % 10 == 0:
        print(f"Epoch {epoch + 1}: train loss {tr:.4f} | test loss {te:.4f}")

model.eval()
with torch.no_grad():
    prob = torch.cat([torch.sigmoid(model(x)) for x, _ in test_dl]).numpy()
acc = accuracy_score(y_te, prob > 0.5)
print("AUC", round(roc_auc_score(y_te, prob), 4))
print("RESULT " + json.dumps({"test_accuracy": round(float(acc), 4), "good": bool(acc >= 0.94)}))
