"""Knowledge distillation: a wide teacher, a small student, digits."""

import json
import sys

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn

TEMPERATURE, ALPHA = 4.0, 0.7


def mlp(width):
    return nn.Sequential(nn.Linear(64, width), nn.ReLU(), nn.Linear(width, 10))


def batches(x, y, size=32):
    for idx in torch.randperm(len(x)).split(size):
        yield x[idx], y[idx]


def accuracy(model, x, y):
    model.eval()
    with torch.no_grad():
        return (model(x).argmax(1) == y).float().mean().item()


def train_teacher(teacher, x, y):
    optimizer = torch.optim.Adam(teacher.parameters(), lr=1e-3)
    for _ in range(20):
        teacher.train()
        for xb, yb in batches(x, y):
            optimizer.zero_grad()
            F.cross_entropy(teacher(xb), yb).backward()
            optimizer.step()


def distillation_loss(student_logits, teacher_logits, labels):
    soft = F.kl_div(
        F.log_softmax(student_logits / TEMPERATURE, dim=1),
        F.softmax(teacher_logits / TEMPERATURE, dim=1),
        reduction="batchmean",
    )
    return ALPHA * TEMPERATURE**2 * soft + (1 - ALPHA) * F.cross_entropy(student_logits, labels)


def main():
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    torch.manual_seed(seed)
    X, y = load_digits(return_X_y=True)
    x, x_val, y, y_val = train_test_split(X / 16, y, test_size=0.25, stratify=y, random_state=seed)
    x, x_val, y, y_val = torch.tensor(x).float(), torch.tensor(x_val).float(), torch.tensor(y), torch.tensor(y_val)

    teacher = mlp(512)
    train_teacher(teacher, x, y)
    print(f"teacher: val acc {accuracy(teacher, x_val, y_val):.4f}")

    student = mlp(16)
    optimizer = torch.optim.Adam(student.parameters(), lr=3e-3)
    teacher.eval()
    for epoch in range(25):
        student.train()
        for xb, yb in batches(x, y):
            with torch.no_grad():
                teacher_logits = teacher(xb)
            loss = distillation_loss(student(xb), teacher_logits, yb)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        acc = accuracy(student, x_val, y_val)
        print(f"epoch {epoch + 1}: loss {loss.item():.4f}, student val acc {acc:.4f}")

    print("RESULT", json.dumps({"metric": "student_val_acc", "value": round(acc, 4), "good": acc >= 0.93}))


if __name__ == "__main__":
    main()
