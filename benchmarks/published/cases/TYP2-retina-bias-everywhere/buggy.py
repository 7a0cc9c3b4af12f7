import json
import math
import sys

import torch
from sklearn.datasets import make_classification
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import train_test_split
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

PRIOR = 0.1


class Detector(nn.Module):
    def __init__(self, d):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(d, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU())
        self.cls = nn.Linear(32, 1)
        for m in self.modules():
            if isinstance(m, nn.Linear):
                nn.init.kaiming_normal_(m.weight)
                nn.init.constant_(m.bias, -math.log((1 - PRIOR) / PRIOR) * 2)

    def forward(self, x):
        return self.cls(self.body(x)).squeeze(-1)


seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
X, y = make_classification(3000, 20, n_informative=8, weights=[0.9], class_sep=1.5, flip_y=0, random_state=seed)
X = X / X.std(0)
a, b, c, d = train_test_split(X, y, test_size=600, stratify=y, random_state=seed)
X_tr, X_te, y_tr = torch.tensor(a).float(), torch.tensor(b).float(), torch.tensor(c).float()
model = Detector(20)
optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
loss_fn = nn.BCEWithLogitsLoss()
for epoch in range(15):
    for xb, yb in DataLoader(TensorDataset(X_tr, y_tr), batch_size=64, shuffle=True):
        optimizer.zero_grad()
        loss = loss_fn(model(xb), yb)
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        score = balanced_accuracy_score(d, (model(X_te) > 0).numpy())
    print(f"{epoch:2d} loss {loss.item():.4f} balanced accuracy {score:.3f}")
print("RESULT", json.dumps({"metric": "balanced accuracy", "value": float(score)}))
