import sys
import json
import copy
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
np.random.seed(seed)
torch.manual_seed(seed)


def make_base():
    return nn.Sequential(
        nn.Conv2d(1, 12, 3, padding=1, bias=False), nn.BatchNorm2d(12), nn.ReLU(),
        nn.Conv2d(12, 24, 3, padding=1, bias=False), nn.BatchNorm2d(24), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(24, 24, 3, padding=1, bias=False), nn.BatchNorm2d(24), nn.ReLU(),
        nn.Flatten())


def run_epochs(model, params, X, y, X_val, y_val, epochs, name):
    optimizer = torch.optim.Adam(params, lr=1e-3)
    for epoch in range(epochs):
        model.train()
        perm = torch.randperm(len(X))
        total, correct = 0.0, 0
        for i in range(0, len(perm), 32):
            idx = perm[i:i + 32]
            optimizer.zero_grad()
            out = model(X[idx])
            loss = F.cross_entropy(out, y[idx])
            loss.backward()
            optimizer.step()
            total += loss.item() * len(idx)
            correct += (out.argmax(1) == y[idx]).sum().item()
        model.eval()
        with torch.no_grad():
            out = model(X_val)
            val, acc = F.cross_entropy(out, y_val).item(), (out.argmax(1) == y_val).float().mean().item()
        print('%s epoch %d/%d - loss: %.4f - acc: %.4f - val_loss: %.4f - val_acc: %.4f' % (
            name, epoch + 1, epochs, total / len(perm), correct / len(perm), val, acc))
    return acc


digits = load_digits()
img = digits.images.astype('float32')[:, None] / 16
lab = digits.target

# large data set on which the convolutional base is pretrained: digits 0-5, bright on black
src = lab < 6
Xs, Xsv, ys, ysv = train_test_split(img[src], lab[src], test_size=200, random_state=seed, stratify=lab[src])
base = make_base()
pre = nn.Sequential(base, nn.Linear(24 * 16, 6))
run_epochs(pre, pre.parameters(), torch.from_numpy(Xs), torch.from_numpy(ys), torch.from_numpy(Xsv), torch.from_numpy(ysv), 4, 'pretrain')

# own data set: digits 6-9 from another scanner (grey paper, dark ink)
own = lab >= 6
Xo = (3.0 - 2.2 * img[own] + 0.1 * np.random.randn(*img[own].shape)).astype('float32')
Xt, Xv, yt, yv = train_test_split(Xo, lab[own] - 6, test_size=250, random_state=seed, stratify=lab[own])
Xt, Xv, yt, yv = [torch.from_numpy(a) for a in (Xt, Xv, yt, yv)]

model_base = copy.deepcopy(base)
for layer in model_base.modules():
    for p in layer.parameters(recurse=False):
        p.requires_grad = False
    if isinstance(layer, nn.BatchNorm2d):
        layer.momentum = 0.0

model_top = nn.Sequential(nn.Dropout(0.2), nn.Linear(24 * 16, 4))
model = nn.Sequential(model_base, model_top)
acc = run_epochs(model, [p for p in model.parameters() if p.requires_grad], Xt, yt, Xv, yv, 15, 'train')
print('RESULT ' + json.dumps({"metric": "validation accuracy (eval mode)", "value": round(acc, 4)}))
