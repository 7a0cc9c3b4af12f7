import json
import sys

import torch
import torch.nn as nn
from sklearn.datasets import make_multilabel_classification
from sklearn.metrics import f1_score
from sklearn.preprocessing import StandardScaler
from torch.utils.data import DataLoader, TensorDataset

SEED = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(SEED)
X, Y = make_multilabel_classification(2400, 40, n_classes=8, n_labels=3, length=80, random_state=SEED)
X = StandardScaler().fit_transform(X)
X, Y = torch.tensor(X, dtype=torch.float32), torch.tensor(Y, dtype=torch.float32)
train_dl = DataLoader(TensorDataset(X[:2000], Y[:2000]), batch_size=40, shuffle=True)


class Tagger(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(40, 64), nn.ReLU(), nn.Dropout(0.2), nn.Linear(64, 8))

    def forward(self, x):
        return self.net(x)


tagger = Tagger()
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.Adam(tagger.parameters(), lr=2e-3)
for epoch in range(15):
    tagger.train()
    total = 0
    for xb, yb in train_dl:
        optimizer.zero_grad()
        loss = criterion(tagger(xb), yb)
        loss.backward()
        optimizer.step()
        total += loss.item()
    tagger.eval()
    with torch.no_grad():
        tags = (torch.softmax(tagger(X[2000:]), dim=1) > 0.5).int()
    f1 = f1_score(Y[2000:].int().numpy(), tags.numpy(), average="micro")
    print(f"epoch {epoch + 1}: loss={total / len(train_dl):.4f} F1={f1:.3f}")
print("RESULT", json.dumps({"metric": "micro F1", "value": float(f1)}))
