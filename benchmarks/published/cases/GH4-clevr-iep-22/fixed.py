import json
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch.utils.data import DataLoader, TensorDataset


def build_cnn(num_classes=10):
    return nn.Sequential(
        nn.Conv2d(1, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(),
        nn.Conv2d(32, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Dropout(0.5), nn.Linear(32 * 16, 256), nn.ReLU(),
        nn.Dropout(0.5), nn.Linear(256, num_classes),
    )


def set_mode(mode, models):
    for m in models:
        if mode == 'train':
            m.train()
        if mode == 'eval':
            m.eval()


def check_accuracy(model, loader):
    set_mode('eval', [model])
    correct, samples, loss = 0, 0, 0.0
    with torch.no_grad():
        for x, y in loader:
            scores = model(x)
            loss += F.cross_entropy(scores, y, reduction='sum').item()
            correct += (scores.argmax(1) == y).sum().item()
            samples += len(y)
    set_mode('train', [model])
    return correct / samples, loss / samples


def train_loop(seed, num_iterations=750, checkpoint_every=50):
    torch.manual_seed(seed)
    digits = load_digits()
    x = torch.tensor(digits.images / 16.0, dtype=torch.float32).unsqueeze(1)
    x = x + 0.35 * torch.randn_like(x)
    y = torch.tensor(digits.target)
    order = torch.randperm(len(y))
    x, y = x[order], y[order]
    train_loader = DataLoader(TensorDataset(x[:500], y[:500]), batch_size=64, shuffle=True)
    val_loader = DataLoader(TensorDataset(x[500:], y[500:]), batch_size=256)
    model = build_cnn()
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-4)
    set_mode('train', [model])
    t = 0
    while t < num_iterations:
        for feats, answers in train_loader:
            t += 1
            optimizer.zero_grad()
            loss = F.cross_entropy(model(feats), answers)
            loss.backward()
            optimizer.step()
            if t % checkpoint_every == 0:
                val_acc, val_loss = check_accuracy(model, val_loader)
                if t % 150 == 0:
                    print('t = %d, loss = %.4f, val accuracy = %.4f, val loss = %.4f' % (t, loss.item(), val_acc, val_loss))
            if t >= num_iterations:
                break
    return check_accuracy(model, val_loader)


if __name__ == '__main__':
    accuracy, loss = train_loop(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
    print('final accuracy %.4f' % accuracy)
    print('RESULT', json.dumps({'metric': 'test_loss', 'value': loss}))
