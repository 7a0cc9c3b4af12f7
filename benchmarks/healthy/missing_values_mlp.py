"""Tabular risk model with missing entries: median imputation learnt on the training rows, plus missingness flags."""
import json
import sys

import numpy as np
import torch
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline, make_union
from sklearn.impute import MissingIndicator
from sklearn.preprocessing import StandardScaler
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
rng = np.random.default_rng(seed)
n, d = 9000, 12
L = rng.normal(size=(d, d)) * 0.3 + np.eye(d)
Z = rng.normal(size=(n, d)) @ L.T
Z = Z / Z.std(0)
logit = 1.3 * np.sin(1.5 * Z[:, 0]) + 0.9 * Z[:, 1] * Z[:, 2] + Z[:, 3] - 0.7 * np.abs(Z[:, 4]) + 0.5 * Z[:, 5] - 0.2
y = (rng.random(n) < 1 / (1 + np.exp(-1.3 * logit))).astype("float32")
X = Z.copy()
X[rng.random((n, d)) < 0.08] = np.nan
X[(Z[:, 3] > 1.0) & (rng.random(n) < 0.5), 3] = np.nan      # missing for a reason

xtr, xte, ytr, yte = train_test_split(X, y, test_size=2500, random_state=seed, stratify=y)
xtr, xva, ytr, yva = train_test_split(xtr, ytr, test_size=1000, random_state=seed, stratify=ytr)
prep = make_union(make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), MissingIndicator(features="all"))
f = lambda a: torch.tensor(np.asarray(a, dtype="float32"))
Ttr, Tva, Tte = f(prep.fit_transform(xtr)), f(prep.transform(xva)), f(prep.transform(xte))
loader = DataLoader(TensorDataset(Ttr, f(ytr)), batch_size=128, shuffle=True)

net = nn.Sequential(nn.Linear(2 * d, 64), nn.ReLU(), nn.Dropout(0.25), nn.Linear(64, 32), nn.ReLU(), nn.Dropout(0.25), nn.Linear(32, 1))
opt = torch.optim.AdamW(net.parameters(), lr=2e-3, weight_decay=1e-2)
EPOCHS = 40
sched = torch.optim.lr_scheduler.CosineAnnealingLR(opt, EPOCHS)
bce = nn.BCEWithLogitsLoss()
for epoch in range(EPOCHS):
    net.train()
    total = 0.0
    for xb, yb in loader:
        opt.zero_grad()
        loss = bce(net(xb).squeeze(1), yb)
        loss.backward()
        opt.step()
        total += loss.item() * len(yb)
    sched.step()
    net.eval()
    with torch.no_grad():
        zv = net(Tva).squeeze(1)
    if epoch % 5 == 4:
        print(f"epoch {epoch + 1} train {total / len(ytr):.4f} val {bce(zv, f(yva)):.4f} val auc {roc_auc_score(yva, zv.numpy()):.4f}")
with torch.no_grad():
    auc = roc_auc_score(yte, net(Tte).squeeze(1).numpy())
gb = HistGradientBoostingClassifier(max_iter=150, learning_rate=0.06, early_stopping=True, random_state=seed).fit(xtr, ytr)
ref = roc_auc_score(yte, gb.predict_proba(xte)[:, 1])
print(f"test AUC {auc:.4f}; gradient boosting {ref:.4f}")
print("RESULT", json.dumps({"auc": round(float(auc), 4), "good": bool(auc > ref - 0.003)}))
