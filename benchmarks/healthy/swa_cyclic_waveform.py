"""Breiman's waveform problem with a cyclical learning rate and stochastic weight averaging (Bayes accuracy about 0.86)."""
import json
import sys

import numpy as np
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, update_bn
from torch.utils.data import DataLoader, TensorDataset

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
rng = np.random.default_rng(seed)

i = np.arange(1, 22)
h = np.stack([np.maximum(6 - abs(i - 11), 0), np.maximum(6 - abs(i - 15), 0), np.maximum(6 - abs(i - 7), 0)])
PAIRS = [(0, 1), (0, 2), (1, 2)]


def waveform(n):
    y = rng.integers(0, 3, n)
    u = rng.random((n, 1))
    a, b = h[[PAIRS[k][0] for k in y]], h[[PAIRS[k][1] for k in y]]
    return u * a + (1 - u) * b + rng.normal(size=(n, 21)), y


def bayes_accuracy(x, y):
    """Posterior by integrating the mixing weight on a grid."""
    grid = np.linspace(0, 1, 101)
    score = []
    for a, b in PAIRS:
        m = grid[:, None] * h[a] + (1 - grid[:, None]) * h[b]
        d2 = (x ** 2).sum(1)[:, None] - 2 * x @ m.T + (m ** 2).sum(1)
        score.append(np.log(np.exp(-0.5 * (d2 - d2.min(1, keepdims=True))).mean(1)) - 0.5 * d2.min(1))
    return (np.stack(score, 1).argmax(1) == y).mean()


x_train, y_train = waveform(8000)
x_test, y_test = waveform(5000)
mean, std = x_train.mean(0), x_train.std(0)
as_x = lambda a: torch.tensor((a - mean) / std, dtype=torch.float32)
xt, yt = as_x(x_test), torch.tensor(y_test)
train_set = TensorDataset(as_x(x_train), torch.tensor(y_train))
loader = DataLoader(train_set, batch_size=100, shuffle=True)

model = nn.Sequential(nn.Linear(21, 32), nn.BatchNorm1d(32), nn.ReLU(),
                      nn.Linear(32, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 3))
swa = AveragedModel(model)
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, weight_decay=1e-3)
EPOCHS, CYCLE, SWA_START = 30, 3, 12                      # epochs; one triangular cycle lasts three epochs
half = CYCLE * len(loader) // 2
scheduler = torch.optim.lr_scheduler.CyclicLR(optimizer, base_lr=0.002, max_lr=0.05, step_size_up=half,
                                              mode="triangular", cycle_momentum=False)


def test(net):
    net.eval()
    with torch.no_grad():
        out = net(xt)
    return criterion(out, yt).item(), (out.argmax(1) == yt).float().mean().item()


for epoch in range(1, EPOCHS + 1):
    model.train()
    total = 0.0
    for x, y in loader:
        optimizer.zero_grad()
        loss = criterion(model(x), y)
        loss.backward()
        optimizer.step()
        scheduler.step()
        total += loss.item() * len(x)
    if epoch > SWA_START and epoch % CYCLE == 0:          # the rate is at its lowest here
        swa.update_parameters(model)
    vl, va = test(model)
    print(f"epoch {epoch:2d}  train {total / len(train_set):.4f}  test {vl:.4f}  acc {va:.4f}  lr {scheduler.get_last_lr()[0]:.4f}")

update_bn(loader, swa)
sl, sa = test(swa)
bayes = bayes_accuracy(x_test, y_test)
print(f"last iterate {va:.4f}, weight average {sa:.4f} (loss {sl:.4f}), Bayes rule {bayes:.4f}")
print("RESULT", json.dumps({"swa_accuracy": round(sa, 4), "good": bool(sa > bayes - 0.012)}))
