"""Houlsby-style adapters.  Stage 1 trains a vowel classifier on the standard accent; stage 2 freezes it and
gives each of three other accents its own small bottleneck, whose up-projection starts at zero."""
import json
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.set_num_threads(1)
torch.manual_seed(seed)
VOWELS, DIM, WIDTH, BOTTLENECK = 10, 16, 64, 8
world = torch.Generator().manual_seed(1234 + seed)
centres = 1.4 * torch.randn(VOWELS, DIM, generator=world)


def low_rank_rotation():
    a = torch.randn(DIM, 2, generator=world)
    q, _ = torch.linalg.qr(a)
    skew = q[:, :1] @ q[:, 1:].T - q[:, 1:] @ q[:, :1].T
    return torch.matrix_exp(2.0 * skew)


accents = {name: (low_rank_rotation(), 0.5 * torch.randn(DIM, generator=world)) for name in ("coast", "hills", "valley")}


def speak(n, accent=None):
    y = torch.randint(0, VOWELS, (n,))
    x = centres[y] + 1.4 * torch.randn(n, DIM)
    if accent is not None:
        turn, shift = accents[accent]
        x = x @ turn.T + shift          # a rotation of isotropic noise: as easy as the standard accent at best
    return x, y


class Adapter(nn.Module):
    def __init__(self):
        super().__init__()
        self.down, self.up = nn.Linear(WIDTH, BOTTLENECK), nn.Linear(BOTTLENECK, WIDTH)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)

    def forward(self, h):
        return h + self.up(F.gelu(self.down(h)))


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm = nn.LayerNorm(WIDTH)
        self.ff = nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.GELU(), nn.Linear(WIDTH, WIDTH))
        self.adapters = nn.ModuleDict()

    def forward(self, h, accent):
        out = self.ff(self.norm(h))
        if accent in self.adapters:
            out = self.adapters[accent](out)
        return h + out


class VowelNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Linear(DIM, WIDTH)
        self.blocks = nn.ModuleList([Block(), Block()])
        self.head = nn.Linear(WIDTH, VOWELS)

    def forward(self, x, accent="standard"):
        h = self.stem(x)
        for b in self.blocks:
            h = b(h, accent)
        return self.head(h)

    def add_accent(self, name):
        for b in self.blocks:
            b.adapters[name] = Adapter()
        return [p for b in self.blocks for p in b.adapters[name].parameters()]


def fit(model, params, data, val, epochs, lr, accent="standard"):
    opt = torch.optim.AdamW(params, lr=lr, weight_decay=0.05)
    sched = torch.optim.lr_scheduler.CosineAnnealingLR(opt, epochs)
    x, y = data
    for epoch in range(1, epochs + 1):
        model.train()
        total = 0.0
        for idx in torch.randperm(len(x)).split(64):
            loss = F.cross_entropy(model(x[idx], accent), y[idx])
            opt.zero_grad()
            loss.backward()
            opt.step()
            total += loss.item() * len(idx)
        sched.step()
        if epoch % 5 == 0:
            model.eval()
            with torch.no_grad():
                v = F.cross_entropy(model(val[0], accent), val[1]).item()
            print(f"[{accent}] epoch {epoch} train {total / len(x):.4f} val {v:.4f}")


@torch.no_grad()
def accuracy(model, data, accent="standard"):
    model.eval()
    return (model(data[0], accent).argmax(1) == data[1]).float().mean().item()


model = VowelNet()
fit(model, list(model.parameters()), speak(6000), speak(1000), 10, 1e-3)
standard_test = speak(3000)
base = accuracy(model, standard_test)
model.requires_grad_(False)
before, after = [], []
for name in accents:
    test = speak(2000, name)
    before.append(accuracy(model, test))
    params = model.add_accent(name)
    fit(model, params, speak(1500, name), speak(800, name), 20, 3e-3, name)
    after.append(accuracy(model, test, name))
again = accuracy(model, standard_test)
mb, ma = sum(before) / 3, sum(after) / 3
print(f"standard {base:.4f} (afterwards {again:.4f}); accents before {mb:.4f}, with adapters {ma:.4f}")
print("RESULT " + json.dumps({"metric": "mean_accent_accuracy", "value": round(ma, 4), "good": bool(ma > base - 0.05 and ma > mb + 0.05 and again == base)}))
