"""Penlight in skorch: one callback. `python skorch_callback.py sound` repairs the model."""

import sys

import torch
from skorch import NeuralNetClassifier
from torch import nn

from penlight.integrations.skorch import PenlightCallback


def points(n):
    y = torch.randint(3, (n,))
    angle = 2 * torch.pi * y / 3
    x = torch.stack([angle.cos(), angle.sin()], dim=1) + 0.4 * torch.randn(n, 2)
    return 1.2 * x, y


torch.manual_seed(0)
x, y = points(480)
layers = [nn.Linear(2, 32), nn.ReLU(), nn.Linear(32, 3)]
if "sound" not in sys.argv:
    layers.append(nn.Softmax(dim=1))  # the criterion has one already
net = NeuralNetClassifier(
    nn.Sequential(*layers),
    criterion=nn.CrossEntropyLoss,
    optimizer=torch.optim.Adam,
    lr=0.01,
    batch_size=24,
    max_epochs=10,
    iterator_train__shuffle=True,
    callbacks=[PenlightCallback()],
    verbose=0,
)
net.fit(x.numpy(), y.numpy())
print(f"validation loss {net.history[-1, 'valid_loss']:.3f}")
