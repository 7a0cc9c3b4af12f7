"""Traffic sign classifier: a small convnet on 32x32 colour images, 43 classes."""
import json
import sys

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset

N_CLASSES = 43


def make_signs(per_class, templates, rng):
    labels = np.repeat(np.arange(N_CLASSES), per_class)
    images = templates[labels].copy()
    for k in range(len(images)):
        images[k] = np.roll(images[k], rng.integers(-2, 3, size=2), axis=(1, 2))
    images *= rng.uniform(0.6, 1.2, size=(len(images), 1, 1, 1))      # lighting
    images += rng.normal(0, 12, size=images.shape)
    return images.clip(0, 255).astype(np.float32), labels


class SignNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 3, 1)
        self.conv2 = nn.Conv2d(3, 16, 5, stride=2)
        self.conv3 = nn.Conv2d(16, 32, 3)
        self.pool = nn.MaxPool2d(2)
        self.conv4 = nn.Conv2d(32, 64, 3)
        self.conv5 = nn.Conv2d(64, 128, 3)
        self.drop = nn.Dropout(0.5)
        self.fc1 = nn.Linear(128 * 2 * 2, 128)
        self.fc2 = nn.Linear(128, N_CLASSES)

    def forward(self, x):
        x = x / 255 - 0.5
        x = F.relu(self.conv1(x))
        x = F.relu(self.conv2(x))
        x = self.pool(F.relu(self.conv3(x)))
        x = F.relu(self.conv4(x))
        x = F.relu(self.conv5(x))
        x = self.drop(x.flatten(1))
        x = self.drop(F.relu(self.fc1(x)))
        return self.fc2(x)


def accuracy(model, images, labels):
    model.eval()
    with torch.no_grad():
        return (model(images).argmax(1) == labels).float().mean().item()


def main():
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)

    blocks = rng.uniform(0, 255, size=(N_CLASSES, 3, 4, 4))
    templates = blocks.repeat(8, axis=2).repeat(8, axis=3)
    train_x, train_y = make_signs(20, templates, rng)
    valid_x, valid_y = make_signs(8, templates, rng)
    train_x, train_y = torch.from_numpy(train_x), torch.from_numpy(train_y)
    valid_x, valid_y = torch.from_numpy(valid_x), torch.from_numpy(valid_y)

    model = SignNet()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.001)
    loader = DataLoader(TensorDataset(train_x, train_y), batch_size=40, shuffle=True)
    for epoch in range(14):
        model.train()
        loss_sum = 0.0
        for images, labels in loader:
            optimizer.zero_grad()
            loss = F.cross_entropy(model(images), labels)
            loss.backward()
            optimizer.step()
            loss_sum += loss.item()
        acc = accuracy(model, valid_x, valid_y)
        print(f"epoch {epoch + 1}: train loss {loss_sum / len(loader):.3f}, valid accuracy {acc:.3f}")

    print("RESULT " + json.dumps({"metric": "accuracy", "value": round(acc, 4)}))


if __name__ == "__main__":
    main()
