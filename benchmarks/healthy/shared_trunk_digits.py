"""Multi-task learning: one conv trunk, one head names the digit, one head finds its centre of mass."""
import json
import sys

import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn
from torch.utils.data import DataLoader, Dataset

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
digits = load_digits()
itr, ite = train_test_split(range(len(digits.target)), test_size=0.25, stratify=digits.target, random_state=seed)
images = torch.tensor(digits.images, dtype=torch.float32) / 16
labels = torch.tensor(digits.target)
GRID = torch.arange(12.0)


def place(img, r, c):
    canvas = torch.zeros(12, 12)
    canvas[r:r + 8, c:c + 8] = img
    mass = canvas.sum()
    com = torch.stack([(canvas.sum(1) * GRID).sum(), (canvas.sum(0) * GRID).sum()]) / mass
    return canvas, (com - 5.5) / 1.5       # roughly unit scale


class PlacedDigits(Dataset):
    """Training digits land at a new random place each time; test places are fixed."""

    def __init__(self, idx, fixed):
        self.idx, self.fixed = list(idx), fixed
        self.spots = torch.randint(0, 5, (len(self.idx), 2))

    def __len__(self):
        return len(self.idx)

    def __getitem__(self, k):
        r, c = (self.spots[k] if self.fixed else torch.randint(0, 5, (2,))).tolist()
        canvas, com = place(images[self.idx[k]], r, c)
        return (canvas[None] - 0.13) / 0.3, labels[self.idx[k]], com


class MultiTask(nn.Module):
    def __init__(self):
        super().__init__()
        self.trunk = nn.Sequential(
            nn.Conv2d(1, 24, 3, padding=1), nn.BatchNorm2d(24), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(24, 48, 3, padding=1), nn.BatchNorm2d(48), nn.ReLU(), nn.MaxPool2d(2),
            nn.Flatten(), nn.Linear(48 * 9, 96), nn.ReLU())
        self.digit = nn.Sequential(nn.Dropout(0.2), nn.Linear(96, 10))
        self.where = nn.Linear(96, 2)

    def forward(self, x):
        h = self.trunk(x)
        return self.digit(h), self.where(h)


train = DataLoader(PlacedDigits(itr, False), batch_size=64, shuffle=True)
test = DataLoader(PlacedDigits(ite, True), batch_size=256)
net = MultiTask()
EPOCHS = 25
opt = torch.optim.Adam(net.parameters(), lr=2e-3)
sched = torch.optim.lr_scheduler.OneCycleLR(opt, max_lr=4e-3, epochs=EPOCHS, steps_per_epoch=len(train))
ce, mse = nn.CrossEntropyLoss(), nn.MSELoss()


def evaluate():
    net.eval()
    hit, sq, var, n, cl = 0, 0., 0., 0, 0.
    with torch.no_grad():
        for x, y, com in test:
            a, b = net(x)
            cl += ce(a, y).item() * len(x)
            hit += (a.argmax(1) == y).sum().item()
            sq += (b - com).pow(2).sum().item()
            var += com.pow(2).sum().item()
            n += len(x)
    return cl / n, hit / n, 1 - sq / var


for ep in range(1, EPOCHS + 1):
    net.train()
    s1 = s2 = 0.
    for x, y, com in train:
        a, b = net(x)
        l1, l2 = ce(a, y), mse(b, com)
        opt.zero_grad()
        (l1 + l2).backward()
        opt.step()
        sched.step()
        s1 += l1.item(); s2 += l2.item()
    if ep % 5 == 0:
        cl, acc, r2 = evaluate()
        print(f"epoch {ep} train ce {s1 / len(train):.3f} mse {s2 / len(train):.4f} | test ce {cl:.3f} acc {acc:.4f} R2 {r2:.4f}")
cl, acc, r2 = evaluate()
print("RESULT", json.dumps({"digit_acc": round(acc, 4), "com_r2": round(r2, 4), "good": acc >= 0.97 and r2 >= 0.97}))
