"""Muon (momentum orthogonalised by Newton-Schulz; Jordan 2024) for the weight matrices of a small CNN,
Adam for the rest, on 8x8 digits. Modelled after the KellerJordan/Muon repository."""
import json
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split


def zeropower_via_newtonschulz5(G, steps=5):
    a, b, c = 3.4445, -4.7750, 2.0315
    X = G / (G.norm() + 1e-7)
    transposed = X.size(0) > X.size(1)
    if transposed:
        X = X.T
    for _ in range(steps):
        A = X @ X.T
        X = a * X + (b * A + c * A @ A) @ X
    return X.T if transposed else X


class Muon(torch.optim.Optimizer):
    def __init__(self, params, lr=0.02, momentum=0.95, nesterov=True, weight_decay=0.0):
        super().__init__(params, dict(lr=lr, momentum=momentum, nesterov=nesterov,
                                      weight_decay=weight_decay))

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                g = p.grad
                state = self.state[p]
                if "buf" not in state:
                    state["buf"] = torch.zeros_like(g)
                buf = state["buf"]
                buf.lerp_(g, 1 - group["momentum"])
                g = g.lerp(buf, group["momentum"]) if group["nesterov"] else buf
                mat = g.reshape(g.size(0), -1)
                upd = zeropower_via_newtonschulz5(mat)
                upd = upd * max(1, mat.size(0) / mat.size(1)) ** 0.5
                p.mul_(1 - group["lr"] * group["weight_decay"])
                p.add_(upd.view_as(p), alpha=-group["lr"])


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(1, 16, 3, padding=1)
        self.conv2 = nn.Conv2d(16, 32, 3, padding=1, bias=False)
        self.n2 = nn.GroupNorm(4, 32)
        self.conv3 = nn.Conv2d(32, 32, 3, padding=1, bias=False)
        self.n3 = nn.GroupNorm(4, 32)
        self.head = nn.Linear(32 * 4, 10)
        self.drop = nn.Dropout(0.2)

    def forward(self, x):
        x = F.gelu(self.stem(x))
        x = F.max_pool2d(F.gelu(self.n2(self.conv2(x))), 2)
        x = F.max_pool2d(F.gelu(self.n3(self.conv3(x))), 2)
        return self.head(self.drop(x.flatten(1)))


def main():
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    torch.manual_seed(seed)
    X, y = load_digits(return_X_y=True)
    Xtr, Xte, ytr, yte = train_test_split(X, y, test_size=0.25, stratify=y, random_state=seed)
    prep = lambda a: (torch.tensor(a, dtype=torch.float32).view(-1, 1, 8, 8) - 4.9) / 6.0
    Xtr, Xte, ytr, yte = prep(Xtr), prep(Xte), torch.tensor(ytr), torch.tensor(yte)

    model = Net()
    hidden = [model.conv2.weight, model.conv3.weight]
    ids = {id(p) for p in hidden}
    other = [p for p in model.parameters() if id(p) not in ids]
    optimizers = [Muon(hidden, lr=0.02, weight_decay=0.05),
                  torch.optim.AdamW(other, lr=2e-3, weight_decay=1e-2)]
    epochs, bs = 15, 64
    scheds = [torch.optim.lr_scheduler.LinearLR(o, 1.0, 0.02, total_iters=epochs) for o in optimizers]
    for epoch in range(epochs):
        model.train()
        total = 0.0
        for idx in torch.randperm(len(Xtr)).split(bs):
            loss = F.cross_entropy(model(Xtr[idx]), ytr[idx])
            loss.backward()
            for o in optimizers:
                o.step()
            model.zero_grad(set_to_none=True)
            total += loss.item() * len(idx)
        for s in scheds:
            s.step()
        model.eval()
        with torch.no_grad():
            out = model(Xte)
            val = F.cross_entropy(out, yte).item()
            acc = (out.argmax(1) == yte).float().mean().item()
        print(f"epoch {epoch:2d} train_loss {total / len(Xtr):.4f} val_loss {val:.4f} acc {acc:.4f}")
    print("RESULT " + json.dumps({"test_accuracy": round(acc, 4), "good": acc > 0.97}))


if __name__ == "__main__":
    main()
