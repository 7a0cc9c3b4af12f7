"""Benign or malignant: the breast cancer data of scikit-learn, a network with three hidden layers."""
import json
import random
import sys

import numpy as np
import torch
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def seed_all(seed):
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def data():
    x, y = load_breast_cancer(return_X_y=True)
    x_train, x_test, y_train, y_test = train_test_split(x, y, test_size=0.3, random_state=1)
    scaler = StandardScaler().fit(x_train)
    x_train, x_test = scaler.transform(x_train), scaler.transform(x_test)
    both = []
    for a, b in ((x_train, y_train), (x_test, y_test)):
        a = torch.as_tensor(a, dtype=torch.float32)
        b = torch.as_tensor(b, dtype=torch.float32).unsqueeze(1)
        both.append(TensorDataset(a, b))
    return both


def build():
    return nn.Sequential(
        nn.Linear(30, 32),
        nn.ReLU(),
        nn.Linear(32, 32),
        nn.ReLU(),
        nn.Linear(32, 32),
        nn.ReLU(),
        nn.Linear(32, 1),
    )


def evaluate(model, dataset):
    x, y = dataset.tensors
    model.eval()
    with torch.no_grad():
        return ((model(x) > 0).float() == y).float().mean().item()


seed_all(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
train_set, test_set = data()
train_loader = DataLoader(train_set, batch_size=16, shuffle=True)
model = build()
optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
criterion = nn.BCEWithLogitsLoss()
num_epochs = 20
for epoch in range(1, num_epochs + 1):
    model.train()
    running = 0.0
    for inputs, labels in train_loader:
        optimizer.zero_grad()
        outputs = model(inputs)
        loss = criterion(outputs, labels)
        loss.backward()
        optimizer.step()
        running += loss.item()
    print(f"[{epoch}/{num_epochs}] loss {running / len(train_loader):.4f}")
print("RESULT " + json.dumps({"metric": "accuracy", "value": evaluate(model, test_set)}))
