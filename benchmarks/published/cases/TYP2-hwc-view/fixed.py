import json
import sys

import numpy as np
import torch
import torch.nn as nn
from torch.utils.data import DataLoader, Dataset


class Patches(Dataset):
    """H x W x C pictures, as they come from cv2.imread. Class: texture direction x colour of the stripes."""

    def __init__(self, n, rng, size=16):
        yy, xx = np.mgrid[:size, :size]
        self.labels = rng.integers(0, 6, n)
        self.images = np.empty((n, size, size, 3), dtype=np.float32)
        for i, label in enumerate(self.labels):
            direction, colour = divmod(label, 3)
            f, phase = rng.uniform(0.5, 0.9), rng.uniform(0, 6.28)
            wave = np.sin(f * (xx if direction else yy) + phase)
            image = rng.normal(0, 0.6, (size, size, 3))
            image[..., colour] += wave
            self.images[i] = image

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, i):
        image = torch.from_numpy(self.images[i])
        image = image.permute(2, 0, 1)
        return image, int(self.labels[i])


def main(seed):
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    train_loader = DataLoader(Patches(600, rng), batch_size=30, shuffle=True)
    test_loader = DataLoader(Patches(300, rng), batch_size=100)
    model = nn.Sequential(
        nn.Conv2d(3, 12, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(12, 24, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1),
        nn.Flatten(), nn.Linear(24, 6))
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    criterion = nn.CrossEntropyLoss()
    for epoch in range(12):
        model.train()
        for images, labels in train_loader:
            optimizer.zero_grad()
            loss = criterion(model(images), labels)
            loss.backward()
            optimizer.step()
        model.eval()
        hits = 0
        with torch.no_grad():
            for images, labels in test_loader:
                hits += (model(images).argmax(1) == labels).sum().item()
        print(f"epoch {epoch:2d}  loss {loss.item():.3f}  accuracy {hits / 300:.3f}")
    print("RESULT", json.dumps({"metric": "accuracy", "value": hits / 300}))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
