import argparse
import json

import numpy as np
import torch
import torch.nn as nn
from sklearn.datasets import load_digits
from torch.utils.data import DataLoader, Dataset

p = argparse.ArgumentParser()
p.add_argument("seed", type=int, nargs="?", default=0)
p.add_argument("--epochs", type=int, default=10)
p.add_argument("--lr", type=float, default=1e-3)
args = p.parse_args()
np.random.seed(args.seed)
torch.manual_seed(args.seed)


def convert_image_dtype(img, dtype=torch.float32):
    img = torch.from_numpy(img)
    if dtype.is_floating_point and img.dtype == torch.uint8:
        return img.to(dtype) / 255
    return img.to(dtype)


class CharacterDataset(Dataset):
    def __init__(self, images, labels):
        self.images, self.labels = images, labels

    def __len__(self):
        return len(self.labels)

    def read_image(self, i):
        img = convert_image_dtype(self.images[i])
        return img.unsqueeze(0)

    def __getitem__(self, i):
        x = self.read_image(i)
        return x, int(self.labels[i])


class CharNet(nn.Module):
    def __init__(self, n_classes=10):
        super().__init__()
        self.feat = nn.Sequential(nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2))
        self.classifier = nn.Sequential(nn.Flatten(), nn.Linear(32 * 16, 64), nn.ReLU(), nn.Dropout(0.2), nn.Linear(64, n_classes))

    def forward(self, x):
        return self.classifier(self.feat(x))


def evaluate(model, loader):
    model.eval()
    ok = 0
    with torch.no_grad():
        for x, y in loader:
            ok += (model(x).argmax(1) == y).sum().item()
    return ok / len(loader.dataset)


def main():
    d = load_digits()
    images = (d.images * 255 / 16).round().astype(np.uint8)
    order = np.random.permutation(len(images))
    tr, va = order[:1300], order[1300:]
    train_loader = DataLoader(CharacterDataset(images[tr], d.target[tr]), batch_size=32, shuffle=True)
    val_loader = DataLoader(CharacterDataset(images[va], d.target[va]), batch_size=100)
    model = CharNet()
    optimizer = torch.optim.Adam(model.parameters(), lr=args.lr)
    criterion = nn.CrossEntropyLoss()
    for epoch in range(args.epochs):
        model.train()
        total = 0.0
        for x, y in train_loader:
            optimizer.zero_grad()
            loss = criterion(model(x), y)
            loss.backward()
            optimizer.step()
            total += loss.item()
        acc = evaluate(model, val_loader)
        print(f"Epoch {epoch + 1}/{args.epochs} - Training loss: {total / len(train_loader):.4f} | Validation accuracy: {acc:.4f}")
    print("RESULT", json.dumps({"metric": "accuracy", "value": acc}))


main()
