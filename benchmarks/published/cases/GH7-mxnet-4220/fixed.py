import json
import random
import sys

import numpy as np
import torch
import torch.nn as nn
from sklearn.datasets import load_digits

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
random.seed(seed)
np.random.seed(seed)
torch.manual_seed(seed)


def make_list(images, targets):
    """one entry per picture: index, label, path, walking through the class folders"""
    entries = []
    for label in sorted(set(targets.tolist())):
        for k in np.where(targets == label)[0]:
            entries.append((len(entries), label, k))
    random.shuffle(entries)
    return entries


def im2rec(entries, images):
    return [(images[k].astype("float32") / 16.0, label) for _, label, k in entries]


class ImageRecordIter:
    def __init__(self, record, batch_size):
        self.record, self.batch_size = record, batch_size

    def __len__(self):
        return len(self.record) // self.batch_size

    def __iter__(self):
        for b in range(len(self)):
            part = self.record[b * self.batch_size:(b + 1) * self.batch_size]
            yield torch.from_numpy(np.stack([p[0] for p in part])).unsqueeze(1), torch.tensor([p[1] for p in part])


digits = load_digits()
perm = np.random.permutation(len(digits.target))
train_idx, val_idx = perm[:1400], perm[1400:]
train_lst = make_list(digits.images[train_idx], digits.target[train_idx])
val_lst = make_list(digits.images[val_idx], digits.target[val_idx])
train_iter = ImageRecordIter(im2rec(train_lst, digits.images[train_idx]), batch_size=32)
val_iter = ImageRecordIter(im2rec(val_lst, digits.images[val_idx]), batch_size=1)


def conv_factory(i, o, stride=1):
    return nn.Sequential(nn.Conv2d(i, o, 3, stride=stride, padding=1, bias=False), nn.BatchNorm2d(o), nn.ReLU())


net = nn.Sequential(conv_factory(1, 16), conv_factory(16, 32, 2), conv_factory(32, 32), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(128, 10))
sgd = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9, weight_decay=1e-4)
softmax = nn.CrossEntropyLoss()


def score(it):
    net.eval()
    with torch.no_grad():
        x, y = map(torch.cat, zip(*it))
        return (net(x).argmax(1) == y).float().mean().item()


for epoch in range(10):
    net.train()
    hits = seen = total = 0
    for data, label in train_iter:
        out = net(data)
        loss = softmax(out, label)
        sgd.zero_grad()
        loss.backward()
        sgd.step()
        hits += (out.argmax(1) == label).sum().item()
        seen += len(label)
        total += loss.item()
    print(f"Epoch[{epoch}] Train-accuracy={hits / seen:.6f} Train-cross-entropy={total / len(train_iter):.6f} Validation-accuracy={score(val_iter):.6f}")

print("RESULT", json.dumps({"metric": "accuracy", "value": score(val_iter)}))
