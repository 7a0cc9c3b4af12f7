# Tell three varieties of wheat by seven measurements of a kernel, with a small MLP.
# Synthetic kernels: each variety is a Gaussian with its own covariance, so the Bayes rule is known.
import json
import sys

import numpy as np
import torch
from scipy.stats import multivariate_normal
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from torch import nn

torch.set_num_threads(1)
seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
rng = np.random.RandomState(seed)

shape_rng = np.random.RandomState(7)  # the varieties themselves do not depend on the seed
dists = []
for k in range(3):
    m = shape_rng.randn(7) * 0.45
    q, _ = np.linalg.qr(shape_rng.randn(7, 7))
    scales = np.exp(shape_rng.uniform(-0.7, 0.7, 7))
    dists.append((m, q @ np.diag(scales ** 2) @ q.T))

X = np.concatenate([rng.multivariate_normal(m, c, 5000) for m, c in dists])
y = np.repeat([0, 1, 2], 5000)
X = X * np.array([3, .5, .02, .4, .3, 1.2, .4]) + np.array([15, 14.5, .87, 5.6, 3.2, 3.7, 5.4])  # units: mm, mm2, ...

X_tr, X_te, y_tr, y_te = train_test_split(X, y, test_size=0.3, random_state=seed, stratify=y)
X_tr, X_va, y_tr, y_va = train_test_split(X_tr, y_tr, test_size=0.15, random_state=seed, stratify=y_tr)
scaler = StandardScaler().fit(X_tr)
to = lambda a: torch.tensor(scaler.transform(a), dtype=torch.float32)
xt, xv, xe = to(X_tr), to(X_va), to(X_te)
yt, yv, ye = map(torch.tensor, (y_tr, y_va, y_te))

net = nn.Sequential(nn.Linear(7, 32), nn.ReLU(), nn.Linear(32, 16), nn.ReLU(), nn.Linear(16, 3))
opt = torch.optim.AdamW(net.parameters(), lr=2e-3, weight_decay=1e-2)
loss_fn = nn.CrossEntropyLoss()
EPOCHS = 20
sched = torch.optim.lr_scheduler.OneCycleLR(opt, 4e-3, epochs=EPOCHS, steps_per_epoch=(len(xt) + 63) // 64)

for ep in range(EPOCHS):
    net.train()
    perm = torch.randperm(len(xt))
    running = 0
    for i in range(0, len(xt), 64):
        b = perm[i:i + 64]
        opt.zero_grad()
        loss = loss_fn(net(xt[b]), yt[b])
        loss.backward()
        opt.step()
        sched.step()
        running += loss.item() * len(b)
    net.eval()
    with torch.no_grad():
        out = net(xv)
        print(f"{ep + 1:3d} train {running / len(xt):.4f} val {loss_fn(out, yv):.4f} val_acc {(out.argmax(1) == yv).float().mean():.4f}")

net.eval()
with torch.no_grad():
    acc = (net(xe).argmax(1) == ye).float().mean().item()
raw = (X_te - np.array([15, 14.5, .87, 5.6, 3.2, 3.7, 5.4])) / np.array([3, .5, .02, .4, .3, 1.2, .4])
bayes = np.mean(np.stack([multivariate_normal(m, c).logpdf(raw) for m, c in dists], 1).argmax(1) == y_te)
linear = LogisticRegression(max_iter=500).fit(scaler.transform(X_tr), y_tr).score(scaler.transform(X_te), y_te)
print(f"mlp {acc:.4f}  bayes {bayes:.4f}  logistic regression {linear:.4f}")
print("RESULT " + json.dumps({"metric": "test_accuracy_minus_bayes", "value": round(acc - float(bayes), 4),
                              "good": bool(acc > bayes - 0.03 and acc > linear + 0.03)}))
