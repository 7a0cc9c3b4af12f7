"""Forward kinematics of a 4-link planar arm: angles to hand position (kin8nm-like regression).
Modelled after the object-oriented "Trainer class" examples of beginners' repositories."""
import json
import sys

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class ArmNet(nn.Module):
    def __init__(self, n_joints=4, width=96):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(n_joints, width), nn.Linear(width, width)])
        self.readout = nn.Linear(width, 2)

    def forward(self, q):
        h = q
        for layer in self.layers:
            h = nn.functional.silu(layer(h))
        return self.readout(h)


class Trainer:
    def __init__(self, model, lr, epochs):
        self.model = model
        self.epochs = epochs
        self.loss_fn = nn.MSELoss()
        self.opt = torch.optim.Adam(model.parameters(), lr=lr)
        self.sched = torch.optim.lr_scheduler.CosineAnnealingLR(self.opt, T_max=epochs)

    def fit(self, train_loader, val_loader):
        for epoch in range(self.epochs):
            self.model.train()
            for q, p in train_loader:
                loss = self.loss_fn(self.model(q), p)
                self.opt.zero_grad()
                loss.backward()
                self.opt.step()
            self.sched.step()
            if epoch % 5 == 4:
                print(f"[{epoch + 1}] train {self.score(train_loader):.5f} "
                      f"val {self.score(val_loader):.5f}")

    @torch.no_grad()
    def score(self, loader):
        self.model.eval()
        se = sum(((self.model(q) - p) ** 2).sum().item() for q, p in loader)
        return se / (2 * len(loader.dataset))


def arm(q, lengths=(0.9, 0.7, 0.5, 0.3)):
    theta = q.cumsum(dim=1)
    length = torch.tensor(lengths)
    return torch.stack([(length * theta.cos()).sum(1), (length * theta.sin()).sum(1)], dim=1)


def main():
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    torch.manual_seed(seed)
    q = (torch.rand(7000, 4) * 2 - 1) * 1.5
    p = arm(q) + 0.02 * torch.randn(7000, 2)
    train, val, test = slice(0, 5000), slice(5000, 6000), slice(6000, 7000)
    pm, ps = p[train].mean(0), p[train].std(0)
    z = (p - pm) / ps
    make = lambda s, shuffle: DataLoader(TensorDataset(q[s], z[s]), batch_size=64, shuffle=shuffle)
    model = ArmNet()
    Trainer(model, lr=2e-3, epochs=30).fit(make(train, True), make(val, False))
    model.eval()
    with torch.no_grad():
        err = ((model(q[test]) - z[test]) ** 2).sum(0) / ((z[test] - z[test].mean(0)) ** 2).sum(0)
    r2 = 1 - err.mean().item()
    print("RESULT " + json.dumps({"test_r2": round(r2, 5), "good": r2 > 0.99}))


if __name__ == "__main__":
    main()
