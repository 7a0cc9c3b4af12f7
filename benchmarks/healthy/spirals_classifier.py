"""Three-arm spiral classification, as in the CS231n neural network case study, rewritten in PyTorch."""
import json
import sys

import numpy as np
import torch
import torch.nn as nn

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
rng = np.random.default_rng(seed)
torch.manual_seed(seed)


def make_spirals(n_per_class, classes=3):
    xs, ys = [], []
    for c in range(classes):
        r = rng.uniform(0.05, 1.0, n_per_class)
        t = c * 2 * np.pi / classes + 4 * r + rng.normal(0, 0.2, n_per_class)
        xs.append(np.stack([r * np.sin(t), r * np.cos(t)], axis=1))
        ys.append(np.full(n_per_class, c))
    return (torch.tensor(np.concatenate(xs) / 0.4, dtype=torch.float32),
            torch.tensor(np.concatenate(ys)))


x_train, y_train = make_spirals(500)
x_test, y_test = make_spirals(300)

net = nn.Sequential(nn.Linear(2, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 3))
loss_fn = nn.CrossEntropyLoss()
opt = torch.optim.Adam(net.parameters(), lr=3e-3)

for epoch in range(60):
    net.train()
    order = torch.randperm(len(x_train))
    running = 0.0
    for idx in order.split(50):
        opt.zero_grad()
        loss = loss_fn(net(x_train[idx]), y_train[idx])
        loss.backward()
        opt.step()
        running += loss.item() * len(idx)
    if (epoch + 1) % 10 == 0:
        net.eval()
        with torch.no_grad():
            out = net(x_test)
            vl = loss_fn(out, y_test).item()
            va = (out.argmax(1) == y_test).float().mean().item()
        print(f"epoch {epoch + 1}: train {running / len(x_train):.4f} test {vl:.4f} acc {va:.3f}")

print("RESULT " + json.dumps({"test_accuracy": round(va, 4), "good": va >= 0.95}))
