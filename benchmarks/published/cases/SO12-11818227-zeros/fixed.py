import sys
import json
import numpy as np
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
rng = np.random.RandomState(seed)


def read_data_sets():
    d = load_digits()
    imgs = d.images / 16.0
    imgs = np.kron(imgs, np.ones((3, 3)))
    imgs = np.pad(imgs, ((0, 0), (2, 2), (2, 2)))
    order = rng.permutation(len(imgs))
    imgs, labels = imgs[order], d.target[order]
    tr, te = (imgs[:1400], labels[:1400]), (imgs[1400:], labels[1400:])

    def jitter(x, y, copies):
        xs, ys = [], []
        for _ in range(copies):
            for img, lab in zip(x, y):
                dy, dx = rng.randint(-1, 2, size=2)
                xs.append(np.roll(np.roll(img, dy, 0), dx, 1))
                ys.append(lab)
        return np.array(xs).reshape(len(xs), -1).astype("float32"), np.array(ys)

    return jitter(*tr, 6), jitter(*te, 2)


(train_x, train_y), (test_x, test_y) = read_data_sets()
train_x, test_x = torch.tensor(train_x), torch.tensor(test_x)
train_y = F.one_hot(torch.tensor(train_y), 10).float()
test_y = torch.tensor(test_y)

# First layer of the NN
W1 = (0.1 * torch.nn.init.trunc_normal_(torch.empty(784, 10))).requires_grad_()
b1 = (0.1 * torch.nn.init.trunc_normal_(torch.empty(10))).requires_grad_()
# Second layer of the NN
W2 = (0.1 * torch.nn.init.trunc_normal_(torch.empty(10, 10))).requires_grad_()
b2 = (0.1 * torch.nn.init.trunc_normal_(torch.empty(10))).requires_grad_()


def net(x):
    out1 = torch.sigmoid(x @ W1 + b1)
    return out1 @ W2 + b2


train_step = torch.optim.SGD([W1, b1, W2, b2], lr=0.5)


def accuracy(x, y):
    with torch.no_grad():
        return (net(x).argmax(1) == y).float().mean().item()


for i in range(5000):
    idx = torch.randint(0, len(train_x), (100,))
    batch_xs, batch_ys = train_x[idx], train_y[idx]
    logits = net(batch_xs)
    cross_entropy = -(batch_ys * F.log_softmax(logits, dim=1)).sum(1).mean()
    train_step.zero_grad()
    cross_entropy.backward()
    train_step.step()
    if i % 500 == 0:
        print("step %d loss %.4f test accuracy %.4f" % (i, cross_entropy.item(), accuracy(test_x, test_y)))

acc = accuracy(test_x, test_y)
print("RESULT " + json.dumps({"metric": "test accuracy", "value": acc}))
