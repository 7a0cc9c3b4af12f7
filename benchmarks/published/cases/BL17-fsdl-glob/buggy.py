"""Digit classifier trained from a folder of images and a folder of label files."""
import glob
import json
import os
import shutil
import sys
import tempfile

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
torch.set_num_threads(1)


def export_dataset(root):
    """Write the scans and the labels that came back from the annotators."""
    rng = np.random.default_rng(seed)
    digits = load_digits()
    for split, sel in (("train", slice(0, 1300)), ("test", slice(1300, None))):
        images, targets = digits.images[sel], digits.target[sel]
        os.makedirs(os.path.join(root, split, "images"))
        os.makedirs(os.path.join(root, split, "labels"))
        for i, img in enumerate(images):
            np.save(os.path.join(root, split, "images", "scan_%05d.npy" % i), img.astype(np.float32))
        for i in rng.permutation(len(targets)):
            with open(os.path.join(root, split, "labels", "scan_%05d.txt" % i), "w") as fh:
                fh.write(str(targets[i]))


def load_split(root, split):
    images = glob.glob(os.path.join(root, split, "images", "*.npy"))
    labels = glob.glob(os.path.join(root, split, "labels", "*.txt"))
    x = np.stack([np.load(p) for p in images]) / 16.0
    y = np.array([int(open(p).read()) for p in labels])
    return torch.from_numpy(x).unsqueeze(1), torch.from_numpy(y)


def load_eval_split(root, split):
    d = os.path.join(root, split)
    names = [os.path.splitext(n)[0] for n in os.listdir(os.path.join(d, "images"))]
    x = np.stack([np.load(os.path.join(d, "images", n + ".npy")) for n in names]) / 16.0
    y = np.array([int(open(os.path.join(d, "labels", n + ".txt")).read()) for n in names])
    return torch.from_numpy(x).unsqueeze(1), torch.from_numpy(y)


class SmallCNN(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 16, 3, padding=1)
        self.conv2 = nn.Conv2d(16, 32, 3, padding=1)
        self.fc1 = nn.Linear(32 * 2 * 2, 64)
        self.fc2 = nn.Linear(64, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = F.relu(self.fc1(x.flatten(1)))
        return self.fc2(x)


def evaluate(net, x, y):
    net.eval()
    with torch.no_grad():
        return (net(x).argmax(1) == y).float().mean().item()


def main():
    root = tempfile.mkdtemp(prefix="scans_")
    try:
        export_dataset(root)
        x_train, y_train = load_split(root, "train")
        x_test, y_test = load_eval_split(root, "test")
    finally:
        shutil.rmtree(root)
    print("train", tuple(x_train.shape), "test", tuple(x_test.shape))

    net = SmallCNN()
    opt = torch.optim.Adam(net.parameters(), lr=1e-3)
    for epoch in range(25):
        net.train()
        order = torch.randperm(len(x_train))
        running = 0.0
        for i in range(0, len(order), 32):
            idx = order[i:i + 32]
            opt.zero_grad()
            loss = F.cross_entropy(net(x_train[idx]), y_train[idx])
            loss.backward()
            opt.step()
            running += loss.item() * len(idx)
        if epoch % 4 == 0:
            print("epoch %d loss %.4f train acc %.3f" % (epoch, running / len(order), evaluate(net, x_train, y_train)))
    acc = evaluate(net, x_test, y_test)
    print("RESULT " + json.dumps({"metric": "test_accuracy", "value": round(acc, 4)}))


if __name__ == "__main__":
    main()
