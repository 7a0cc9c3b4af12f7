import sys
import json
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
np.random.seed(seed)
torch.manual_seed(seed)

nb_classes = 5
digits = load_digits()
keep = digits.target < nb_classes
X, y = digits.images[keep].astype('float32')[:, None] / 16, digits.target[keep]
X_all, X_test, y_all, y_test = train_test_split(X, y, test_size=200, random_state=seed, stratify=y)

# images are read folder by folder
X_train = np.concatenate([X_all[y_all == c] for c in range(nb_classes)])
y_train = np.concatenate([y_all[y_all == c] for c in range(nb_classes)])


def vgg_like():
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(),
        nn.Conv2d(16, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.25),
        nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(),
        nn.Conv2d(32, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.25),
        nn.Flatten(), nn.Linear(128, 64), nn.ReLU(), nn.Dropout(0.25), nn.Linear(64, nb_classes))


def evaluate(model, x, y):
    model.eval()
    with torch.no_grad():
        out = model(x)
    return F.cross_entropy(out, y).item(), (out.argmax(1) == y).float().mean().item()


def fit(model, x, y, batch_size=32, epochs=15, validation_split=0.2, shuffle=True):
    split_at = int(len(x) * (1.0 - validation_split))
    x, val_x = torch.from_numpy(x[:split_at]), torch.from_numpy(x[split_at:])
    y, val_y = torch.from_numpy(y[:split_at]).long(), torch.from_numpy(y[split_at:]).long()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.001)
    for epoch in range(epochs):
        model.train()
        order = torch.randperm(len(x)) if shuffle else torch.arange(len(x))
        total, correct = 0.0, 0
        for i in range(0, len(order), batch_size):
            idx = order[i:i + batch_size]
            optimizer.zero_grad()
            out = model(x[idx])
            loss = F.cross_entropy(out, y[idx])
            loss.backward()
            optimizer.step()
            total += loss.item() * len(idx)
            correct += (out.argmax(1) == y[idx]).sum().item()
        val_loss, val_acc = evaluate(model, val_x, val_y)
        print('Epoch %d/%d - loss: %.4f - acc: %.4f - val_loss: %.4f - val_acc: %.4f' % (
            epoch + 1, epochs, total / len(x), correct / len(x), val_loss, val_acc))


model = vgg_like()
fit(model, X_train, y_train)
test_loss, test_acc = evaluate(model, torch.from_numpy(X_test), torch.from_numpy(y_test).long())
print('Test loss: %.4f  Test accuracy: %.4f' % (test_loss, test_acc))
print('RESULT ' + json.dumps({"metric": "test accuracy", "value": round(test_acc, 4)}))
