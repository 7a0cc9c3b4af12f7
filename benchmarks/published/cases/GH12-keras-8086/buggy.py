import sys
import json
import numpy as np
import torch
import torch.nn as nn
from sklearn.datasets import load_digits
from torch.utils.data import DataLoader, TensorDataset

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
np.random.seed(seed)
torch.manual_seed(seed)


def dataset():
    d = load_digits()
    order = np.random.permutation(len(d.target))
    imgs, target = np.kron(d.images / 16.0, np.ones((2, 2)))[order], d.target[order]

    def shifted(x, y, copies):
        xs, ys = [], []
        for _ in range(copies):
            for img, lab in zip(x, y):
                dy, dx = np.random.randint(-2, 3, size=2)
                xs.append(np.roll(np.roll(img, dy, 0), dx, 1) + 0.1 * np.random.randn(16, 16))
                ys.append(lab)
        x = (np.array(xs)[:, None] - 0.3) / 0.38
        return TensorDataset(torch.tensor(x, dtype=torch.float32), torch.tensor(np.array(ys)))

    return shifted(imgs[:1400], target[:1400], 6), shifted(imgs[1400:], target[1400:], 3)


train_set, test_set = dataset()
train_loader = DataLoader(train_set, batch_size=32, shuffle=True)
test_loader = DataLoader(test_set, batch_size=256)

model = nn.Sequential(
    nn.Conv2d(1, 12, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
    nn.Conv2d(12, 24, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
    nn.Flatten(), nn.Linear(24 * 16, 64), nn.ReLU(), nn.Dropout(0.25), nn.Linear(64, 10))

epochs, lrate, decay = 7, 0.02, 0.3
sgd = torch.optim.SGD(model.parameters(), lr=lrate, momentum=0.8)
# LearningRate = LearningRate * 1/(1 + decay * epoch)
scheduler = torch.optim.lr_scheduler.LambdaLR(sgd, lambda iterations: 1.0 / (1.0 + decay * iterations))
criterion = nn.CrossEntropyLoss()


def evaluate():
    model.eval()
    loss = hit = n = 0
    with torch.no_grad():
        for x, y in test_loader:
            out = model(x)
            loss += criterion(out, y).item() * len(y)
            hit += (out.argmax(1) == y).sum().item()
            n += len(y)
    return loss / n, hit / n


for epoch in range(epochs):
    model.train()
    total = 0.0
    for x, y in train_loader:
        loss = criterion(model(x), y)
        sgd.zero_grad()
        loss.backward()
        sgd.step()
        scheduler.step()
        total += loss.item()
    val_loss, val_acc = evaluate()
    print("Epoch %d/%d - loss: %.4f - val_loss: %.4f - val_acc: %.4f" % (epoch + 1, epochs, total / len(train_loader), val_loss, val_acc))

print("RESULT " + json.dumps({"metric": "test accuracy", "value": evaluate()[1]}))
