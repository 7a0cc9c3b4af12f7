import json
import sys

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch.utils.data import DataLoader, TensorDataset

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
np.random.seed(seed)
torch.manual_seed(seed)


class Params:
    alpha = 0.95
    temperature = 4.0
    learning_rate = 1e-3
    batch_size = 50
    teacher_epochs = 12
    num_epochs = 10


params = Params()
d = load_digits()
X = torch.tensor(d.data, dtype=torch.float32) / 16 + 0.25 * torch.randn(len(d.data), 64)
y = torch.tensor(d.target)
perm = torch.randperm(len(X))
train_dl = DataLoader(TensorDataset(X[perm[:1300]], y[perm[:1300]]), batch_size=params.batch_size, shuffle=True)
dev_dl = DataLoader(TensorDataset(X[perm[1300:]], y[perm[1300:]]), batch_size=100)


class TeacherNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Sequential(nn.Conv2d(1, 24, 3, padding=1), nn.ReLU(), nn.Conv2d(24, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2))
        self.fc = nn.Sequential(nn.Flatten(), nn.Linear(32 * 16, 96), nn.ReLU(), nn.Dropout(0.3), nn.Linear(96, 10))

    def forward(self, x):
        return self.fc(self.conv(x.view(-1, 1, 8, 8)))


class StudentNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))

    def forward(self, x):
        return self.net(x)


def loss_fn_kd(outputs, labels, teacher_outputs, params):
    T = params.temperature
    kd = F.kl_div(F.log_softmax(outputs / T, dim=1), F.softmax(teacher_outputs / T, dim=1), reduction="batchmean")
    return params.alpha * T * T * kd + (1.0 - params.alpha) * F.cross_entropy(outputs, labels)


@torch.no_grad()
def evaluate(model):
    model.eval()
    return float(np.mean([(model(a).argmax(1) == b).float().mean().item() for a, b in dev_dl]))


def train_teacher():
    teacher = TeacherNet()
    opt = torch.optim.Adam(teacher.parameters(), lr=params.learning_rate)
    for _ in range(params.teacher_epochs):
        teacher.train()
        for a, b in train_dl:
            loss = F.cross_entropy(teacher(a), b)
            opt.zero_grad()
            loss.backward()
            opt.step()
    print(f"teacher dev accuracy {evaluate(teacher):.4f}")
    return teacher


@torch.no_grad()
def fetch_teacher_outputs(teacher, loader):
    teacher.eval()
    return [teacher(a) for a, _ in loader]


teacher_model = train_teacher()
teacher_outputs = fetch_teacher_outputs(teacher_model, train_dl)
model = StudentNet()
optimizer = torch.optim.Adam(model.parameters(), lr=5 * params.learning_rate)
for epoch in range(params.num_epochs):
    model.train()
    avg = []
    for i, (train_batch, labels_batch) in enumerate(train_dl):
        output_teacher_batch = teacher_outputs[i]
        loss = loss_fn_kd(model(train_batch), labels_batch, output_teacher_batch, params)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        avg.append(loss.item())
    acc = evaluate(model)
    print(f"Epoch {epoch + 1}/{params.num_epochs} train loss {np.mean(avg):.4f} dev accuracy {acc:.4f}")

print("RESULT", json.dumps({"metric": "accuracy", "value": acc}))
