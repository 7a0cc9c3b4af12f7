"""Sharpness-aware minimisation as an Optimizer subclass on a 1-D conv net for MNIST-1D.

Modelled after davda54/sam (two forward-backward passes a step) on Greydanus's MNIST-1D (own code).
"""
import json
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F
from mnist1d.data import get_dataset_args, make_dataset


class SAM(torch.optim.Optimizer):
    def __init__(self, params, base_optimizer, rho=0.05, **kwargs):
        super().__init__(params, dict(rho=rho, **kwargs))
        self.base_optimizer = base_optimizer(self.param_groups, **kwargs)
        self.param_groups = self.base_optimizer.param_groups

    @torch.no_grad()
    def first_step(self, zero_grad=False):
        norm = self._grad_norm()
        for group in self.param_groups:
            scale = group["rho"] / (norm + 1e-12)
            for p in group["params"]:
                if p.grad is None:
                    continue
                self.state[p]["old_p"] = p.data.clone()
                p.add_(p.grad * scale)
        if zero_grad:
            self.zero_grad()

    @torch.no_grad()
    def second_step(self, zero_grad=False):
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                p.data.copy_(self.state[p]["old_p"])
        self.base_optimizer.step()
        if zero_grad:
            self.zero_grad()

    @torch.no_grad()
    def step(self, closure=None):
        closure = torch.enable_grad()(closure)
        loss = closure()
        self.first_step(zero_grad=True)
        closure()
        self.second_step(zero_grad=True)
        return loss

    def _grad_norm(self):
        return torch.stack([p.grad.norm(2) for g in self.param_groups for p in g["params"] if p.grad is not None]).norm(2)


def conv_net(ch=16):
    def block(i, o):
        return nn.Sequential(nn.Conv1d(i, o, 5, padding=2, bias=False), nn.BatchNorm1d(o), nn.ReLU(), nn.MaxPool1d(2))
    return nn.Sequential(block(1, ch), block(ch, ch), block(ch, ch), nn.Flatten(), nn.Dropout(0.2), nn.Linear(ch * 5, 10))


def main(seed):
    torch.manual_seed(seed)
    args = get_dataset_args()
    args.seed = 42 + seed
    data = make_dataset(args)
    x, xt = (torch.tensor(data[k], dtype=torch.float32)[:, None] for k in ("x", "x_test"))
    y, yt = torch.as_tensor(data["y"]).long(), torch.as_tensor(data["y_test"]).long()

    model = conv_net()
    opt = SAM(model.parameters(), torch.optim.SGD, rho=0.05, lr=0.1, momentum=0.9, weight_decay=5e-4)
    epochs, bs = 18, 100
    sched = torch.optim.lr_scheduler.CosineAnnealingLR(opt.base_optimizer, epochs * (len(x) // bs))
    for epoch in range(epochs):
        model.train()
        total = 0.0
        for idx in torch.randperm(len(x)).split(bs):
            def closure():
                loss = F.cross_entropy(model(x[idx]), y[idx], label_smoothing=0.1)
                loss.backward()
                return loss
            total += opt.step(closure).item()
            sched.step()
        model.eval()
        with torch.no_grad():
            acc = (model(xt).argmax(1) == yt).float().mean().item()
        if epoch % 3 == 2:
            print(f"epoch {epoch + 1:3d}  loss {total / (len(x) // bs):.4f}  test acc {acc:.4f}")
    print("RESULT", json.dumps({"metric": "test_acc", "value": round(acc, 5), "good": bool(acc >= 0.95)}))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
