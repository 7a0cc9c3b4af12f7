import json
import sys

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch.utils.data import DataLoader, TensorDataset

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
np.random.seed(seed)
torch.set_num_threads(1)


class CancelBatchException(Exception):
    pass


class Callback:
    def begin_fit(self): pass
    def begin_train(self): pass
    def after_loss(self): pass
    def after_backward(self): pass
    def after_batch(self): pass
    def after_epoch(self): pass


class Learner:
    def __init__(self, dls, model, loss_func, opt_func, lr, metric, cbs=()):
        self.dls, self.model, self.loss_func, self.metric = dls, model, loss_func, metric
        self.opt = opt_func(model.parameters(), lr=lr)
        self.cbs = list(cbs)
        for cb in self.cbs:
            cb.learn = self

    def __call__(self, event):
        for cb in self.cbs:
            getattr(cb, event)()

    def one_batch(self, xb, yb):
        self.xb, self.yb = xb, yb
        try:
            self.pred = self.model(xb)
            self.loss = self.loss_func(self.pred, yb)
            self.smooth_loss = self.loss.item()
            self('after_loss')
            if not self.training:
                return
            self.loss.backward()
            self('after_backward')
            self.opt.step()
            self.opt.zero_grad()
        except CancelBatchException:
            pass
        finally:
            self('after_batch')

    def validate(self):
        self.training = False
        self.model.eval()
        losses, hits, n = 0.0, 0.0, 0
        with torch.no_grad():
            for xb, yb in self.dls[1]:
                self.one_batch(xb, yb)
                losses += self.loss.item() * len(yb)
                hits += self.metric(self.pred, yb) * len(yb)
                n += len(yb)
        return losses / n, hits / n

    def fit(self, n_epoch):
        self('begin_fit')
        for epoch in range(n_epoch):
            self.training = True
            self.model.train()
            self('begin_train')
            run, k = 0.0, 0
            for xb, yb in self.dls[0]:
                self.one_batch(xb, yb)
                run, k = run + self.smooth_loss, k + 1
            vl, acc = self.validate()
            self('after_epoch')
            print(f"{epoch:3d}  train_loss {run / k:.4f}  valid_loss {vl:.4f}  accuracy {acc:.4f}")


class GradientAccumulation(Callback):
    "Accumulate gradients before updating weights"

    def __init__(self, n_acc=32):
        self.n_acc = n_acc

    def begin_fit(self):
        self.count = 0

    def after_backward(self):
        self.count += len(self.learn.yb)
        if self.count < self.n_acc:
            raise CancelBatchException()  # skip weight update
        self.count = 0


def accuracy(pred, yb):
    return (pred.argmax(1) == yb).float().mean().item()


def get_dls(bs):
    X, y = load_digits(return_X_y=True)
    Xtr, Xva, ytr, yva = train_test_split(X, y, test_size=0.25, stratify=y, random_state=seed)
    mu, sd = Xtr.mean(), Xtr.std()
    t = lambda a, b: TensorDataset(torch.tensor((a - mu) / sd, dtype=torch.float32), torch.tensor(b))
    return DataLoader(t(Xtr, ytr), bs, shuffle=True, drop_last=True), DataLoader(t(Xva, yva), 128)


bs, n_acc = 4, 64
model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
opt_func = lambda p, lr: torch.optim.SGD(p, lr=lr, momentum=0.9)
learn = Learner(get_dls(bs), model, F.cross_entropy, opt_func, lr=0.1, metric=accuracy,
                cbs=[GradientAccumulation(n_acc=n_acc)])
learn.fit(8)
print("RESULT " + json.dumps({"metric": "validation accuracy", "value": learn.validate()[1]}))
