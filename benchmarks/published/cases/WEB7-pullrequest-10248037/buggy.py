import json
import sys

import numpy as np
import torch
import torch.nn as nn

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
np.random.seed(seed)
torch.manual_seed(seed)


def pictures(n):
    """grey pictures with vertical, horizontal, diagonal or ring texture"""
    yy, xx = np.mgrid[0:20, 0:20]
    images, labels = np.zeros((n, 1, 20, 20), dtype=np.uint8), np.random.randint(0, 4, n)
    for i, c in enumerate(labels):
        p, f = np.random.uniform(0, 6.28), np.random.uniform(0.7, 1.3)
        arg = [xx, yy, (xx + yy) * 0.7, np.hypot(xx - np.random.uniform(6, 14), yy - np.random.uniform(6, 14))][c]
        g = 128 + 55 * np.sin(arg * f + p) + np.random.normal(0, 35, (20, 20))
        images[i, 0] = np.clip(g, 0, 255)
    return images, labels


def build_model():
    return nn.Sequential(
        nn.Conv2d(1, 16, 3), nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3), nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(32 * 9, 64), nn.ReLU(),
        nn.Linear(64, 4),
    )


x_train, y_train = pictures(1600)
x_test, y_test = pictures(400)
x_train = x_train.astype("float32")
x_test = x_test.astype("float32")
x_train, x_test = torch.from_numpy(x_train), torch.from_numpy(x_test)
y_train, y_test = torch.from_numpy(y_train), torch.from_numpy(y_test)

model = build_model()
optimizer = torch.optim.SGD(model.parameters(), lr=0.03, momentum=0.9)
loss_function = nn.CrossEntropyLoss()
batch = 32
for epoch in range(14):
    model.train()
    perm = torch.randperm(len(x_train))
    train_loss = 0.0
    for k in range(0, len(perm), batch):
        idx = perm[k:k + batch]
        optimizer.zero_grad()
        loss = loss_function(model(x_train[idx]), y_train[idx])
        loss.backward()
        optimizer.step()
        train_loss += loss.item() * len(idx)
    model.eval()
    with torch.no_grad():
        pred = model(x_test)
    acc = (pred.argmax(1) == y_test).float().mean().item()
    print("epoch %d  loss %.4f  val_loss %.4f  val_acc %.4f" % (epoch, train_loss / len(perm), loss_function(pred, y_test).item(), acc))

print("RESULT", json.dumps({"metric": "accuracy", "value": acc}))
