"""Penlight in Ignite: one handler. `python ignite_handler.py sound` repairs the model."""

import sys

import torch
from ignite.engine import Events, create_supervised_evaluator, create_supervised_trainer
from ignite.metrics import Loss
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from penlight.integrations.ignite import PenlightHandler


def points(n):
    y = torch.randint(3, (n,))
    angle = 2 * torch.pi * y / 3
    x = torch.stack([angle.cos(), angle.sin()], dim=1) + 0.4 * torch.randn(n, 2)
    return TensorDataset(1.2 * x, y)


torch.manual_seed(0)
train, valid = DataLoader(points(480), 24, shuffle=True), DataLoader(points(120), 60)
layers = [nn.Linear(2, 32), nn.ReLU(), nn.Linear(32, 3)]
if "sound" not in sys.argv:
    layers.append(nn.Softmax(dim=1))  # cross_entropy has one already
model = nn.Sequential(*layers)
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)

trainer = create_supervised_trainer(model, optimizer, F.cross_entropy)
evaluator = create_supervised_evaluator(model, metrics={"loss": Loss(F.cross_entropy)})
PenlightHandler().attach(trainer)


@trainer.on(Events.EPOCH_COMPLETED)
def validate(engine):
    loss = evaluator.run(valid).metrics["loss"]
    print(f"epoch {engine.state.epoch}  validation loss {loss:.3f}")


trainer.run(train, max_epochs=8)
