import sys
import json
import numpy as np
import torch
import torch.nn as nn
from sklearn.datasets import load_digits

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
np.random.seed(seed)
torch.manual_seed(seed)

digits = load_digits()
images = np.kron(digits.images / 16.0, np.ones((2, 2)))[:, None].astype("float32") - 0.3
labels = digits.target


def folder(mask_labels, part, copies):
    """Images of the wanted classes, one class folder after the other."""
    xs, ys = [], []
    for k, c in enumerate(mask_labels):
        idx = np.where(labels == c)[0]
        a, b = int(0.6 * len(idx)), int(0.8 * len(idx))
        idx = {"train": idx[:a], "validation": idx[a:b], "test": idx[b:], "all": idx}[part]
        for i in idx:
            for _ in range(copies):
                dy, dx = np.random.randint(-2, 3, size=2)
                xs.append(np.roll(np.roll(images[i], dy, 1), dx, 2))
                ys.append(k)
    return torch.tensor(np.array(xs)), np.array(ys)


class DirectoryIterator:
    def __init__(self, data, batch_size, shuffle):
        self.x, self.classes = data
        self.n = len(self.x)
        self.batch_size = batch_size
        self.shuffle = shuffle

    def __iter__(self):
        order = np.random.permutation(self.n) if self.shuffle else np.arange(self.n)
        for i in range(0, self.n, self.batch_size):
            yield self.x[order[i:i + self.batch_size]], self.classes[order[i:i + self.batch_size]]


def conv_base():
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten())


def predict_generator(model, generator):
    model.eval()
    with torch.no_grad():
        return torch.cat([model(x) for x, _ in generator])


# "pretrained" weights: the convolutional base has learnt other digits before
base = conv_base()
head = nn.Linear(32 * 16, 5)
opt = torch.optim.Adam(list(base.parameters()) + list(head.parameters()), lr=1e-3)
for epoch in range(6):
    for x, y in DirectoryIterator(folder([0, 1, 2, 3, 4], "all", 3), 64, shuffle=True):
        loss = nn.functional.cross_entropy(head(base(x)), torch.tensor(y))
        opt.zero_grad()
        loss.backward()
        opt.step()
print("base trained, last loss %.4f" % loss.item())

classes = [5, 6, 7, 8, 9]
batch_size = 32

generator = DirectoryIterator(folder(classes, "train", 4), batch_size, shuffle=True)
bottleneck_features_train = predict_generator(base, generator)
train_labels = torch.tensor(generator.classes)

generator = DirectoryIterator(folder(classes, "validation", 2), batch_size, shuffle=True)
bottleneck_features_validation = predict_generator(base, generator)
validation_labels = torch.tensor(generator.classes)

top = nn.Sequential(nn.Linear(bottleneck_features_train.shape[1], 64), nn.ReLU(), nn.Dropout(0.5), nn.Linear(64, 5))
optimizer = torch.optim.RMSprop(top.parameters(), lr=1e-3)
criterion = nn.CrossEntropyLoss()

epochs = 16
for epoch in range(epochs):
    top.train()
    order = torch.randperm(len(bottleneck_features_train))
    losses = []
    for i in range(0, len(order), batch_size):
        idx = order[i:i + batch_size]
        loss = criterion(top(bottleneck_features_train[idx]), train_labels[idx])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    top.eval()
    with torch.no_grad():
        out = top(bottleneck_features_validation)
        val_loss = criterion(out, validation_labels).item()
        val_acc = (out.argmax(1) == validation_labels).float().mean().item()
    print("Epoch %d/%d - loss: %.4f - val_loss: %.4f - val_acc: %.4f" % (epoch + 1, epochs, np.mean(losses), val_loss, val_acc))

model = nn.Sequential(base, top)
model.eval()
test_x, test_y = folder(classes, "test", 2)
with torch.no_grad():
    acc = (model(test_x).argmax(1).numpy() == test_y).mean()
print("RESULT " + json.dumps({"metric": "test accuracy", "value": float(acc)}))
