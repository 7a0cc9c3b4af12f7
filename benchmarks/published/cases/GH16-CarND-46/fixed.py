"""Traffic sign classifier, LeNet on 32x32 RGB signs."""
import json
import sys

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

EPOCHS = 10
BATCH_SIZE = 128


def render_signs(seed):
    """speed-limit like signs: a digit on a lit disc with a coloured rim, in front of scenery"""
    rng = np.random.default_rng(seed)
    d = load_digits()
    n = len(d.images)
    yy, xx = np.mgrid[0:32, 0:32]
    out = np.zeros((n, 32, 32, 3), dtype=np.uint8)
    for i in range(n):
        light = rng.uniform(0.35, 1.0)
        scene = np.ones((32, 32, 3)) * rng.uniform(40, 200, 3)
        scene += rng.uniform(-25, 25, 3) * (yy[..., None] / 16.0 - 1)
        cx, cy = 16 + rng.uniform(-1.5, 1.5, 2)
        r = np.hypot(xx - cx, yy - cy)
        scene[r < 15] = np.array([200, 40, 50])
        scene[r < 12.5] = np.array([235, 235, 225])
        glyph = np.kron(d.images[i] / 16.0, np.ones((2, 2)))
        x0, y0 = int(cx) - 8, int(cy) - 8
        region = scene[y0:y0 + 16, x0:x0 + 16]
        region *= (1 - 0.85 * glyph)[..., None]
        img = scene * light + rng.normal(0, 8, scene.shape)
        out[i] = np.clip(img, 0, 255).astype(np.uint8)
    return out, d.target


def normalize(x):
    return (x.astype(np.float32) - 128) / 128


class LeNet(nn.Module):
    def __init__(self, n_classes):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 6, 5)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(400, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, n_classes)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = x.flatten(1)
        return self.fc3(F.relu(self.fc2(F.relu(self.fc1(x)))))


def evaluate(net, x, y):
    with torch.no_grad():
        return (net(x).argmax(1) == y).float().mean().item()


def main():
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    torch.manual_seed(seed)
    X, y = render_signs(seed)
    X_train, X_valid, y_train, y_valid = train_test_split(X, y, test_size=0.2, random_state=seed, stratify=y)
    X_train, X_valid = normalize(X_train), normalize(X_valid)
    print("train images", X_train.shape)
    t = lambda a: torch.tensor(a, dtype=torch.float32).permute(0, 3, 1, 2).contiguous()
    X_train, X_valid = t(X_train), t(X_valid)
    y_train, y_valid = torch.tensor(y_train), torch.tensor(y_valid)
    net = LeNet(10)
    optimizer = torch.optim.Adam(net.parameters(), lr=0.001)
    for epoch in range(EPOCHS * 3):
        perm = torch.randperm(len(X_train))
        for offset in range(0, len(perm), BATCH_SIZE):
            b = perm[offset:offset + BATCH_SIZE]
            loss = F.cross_entropy(net(X_train[b]), y_train[b])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        if epoch % 5 == 4:
            print(f"EPOCH {epoch + 1} ... loss {loss.item():.3f} Validation Accuracy = {evaluate(net, X_valid, y_valid):.3f}")
    print("RESULT " + json.dumps({"metric": "validation accuracy", "value": round(evaluate(net, X_valid, y_valid), 4)}))


if __name__ == "__main__":
    main()
