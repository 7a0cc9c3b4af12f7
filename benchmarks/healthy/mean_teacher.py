"""Mean teacher: 100 labelled digits, 1200 unlabelled ones, an EMA copy as the teacher."""

import copy
import json
import sys

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import nn

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)

X, y = load_digits(return_X_y=True)
order = torch.randperm(len(X))
X, y = torch.tensor(X / 16).float()[order], torch.tensor(y)[order]
x_labelled, y_labelled = X[:100], y[:100]
x_unlabelled = X[100:1300]
x_val, y_val = X[1300:], y[1300:]

student = nn.Sequential(
    nn.Linear(64, 128), nn.ReLU(), nn.Dropout(0.2), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 10)
)
teacher = copy.deepcopy(student).requires_grad_(False)
optimizer = torch.optim.Adam(student.parameters(), lr=1e-3)


def noisy(x):
    return x + 0.15 * torch.randn_like(x)


@torch.no_grad()
def update_teacher(decay=0.99):
    for slow, fast in zip(teacher.parameters(), student.parameters()):
        slow.mul_(decay).add_(fast, alpha=1 - decay)


@torch.no_grad()
def accuracy(model):
    model.eval()
    return (model(x_val).argmax(1) == y_val).float().mean().item()


EPOCHS = 60
for epoch in range(EPOCHS):
    student.train()
    teacher.train()  # the teacher's targets keep their dropout noise, as in the paper
    weight = 5.0 * min(1.0, epoch / 15)
    for idx in torch.randperm(len(x_unlabelled)).split(64):
        pick = torch.randint(len(x_labelled), (32,))
        supervised = F.cross_entropy(student(noisy(x_labelled[pick])), y_labelled[pick])
        xu = x_unlabelled[idx]
        with torch.no_grad():
            target = teacher(noisy(xu)).softmax(1)
        consistency = F.mse_loss(student(noisy(xu)).softmax(1), target)
        loss = supervised + weight * consistency
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        update_teacher()
    if (epoch + 1) % 10 == 0:
        print(
            f"epoch {epoch + 1}: supervised {supervised.item():.4f}, consistency {consistency.item():.4f},"
            f" student {accuracy(student):.4f}, teacher {accuracy(teacher):.4f}"
        )

acc = accuracy(teacher)
print("RESULT", json.dumps({"metric": "teacher_val_acc", "value": round(acc, 4), "good": acc >= 0.87}))
