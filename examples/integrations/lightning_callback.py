"""Penlight in Lightning: one callback. `python lightning_callback.py sound` repairs the model."""

import logging
import sys

import lightning as L
import torch
from lightning.pytorch.loggers import CSVLogger
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from penlight.integrations.lightning import PenlightCallback


class Classifier(L.LightningModule):
    def __init__(self, sound):
        super().__init__()
        layers = [nn.Linear(2, 32), nn.ReLU(), nn.Linear(32, 3)]
        if not sound:
            layers.append(nn.Softmax(dim=1))  # cross_entropy has one already
        self.net = nn.Sequential(*layers)

    def training_step(self, batch):
        x, y = batch
        loss = F.cross_entropy(self.net(x), y)
        self.log("train_loss", loss)
        return loss

    def validation_step(self, batch):
        x, y = batch
        logits = self.net(x)
        self.log("val_loss", F.cross_entropy(logits, y))
        self.log("val_acc", (logits.argmax(1) == y).float().mean())

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=0.01)


def points(n):
    y = torch.randint(3, (n,))
    angle = 2 * torch.pi * y / 3
    x = torch.stack([angle.cos(), angle.sin()], dim=1) + 0.4 * torch.randn(n, 2)
    return TensorDataset(1.2 * x, y)


L.seed_everything(0, verbose=False)
logging.getLogger("lightning.pytorch.utilities.rank_zero").setLevel(logging.WARNING)
model = Classifier(sound="sound" in sys.argv)
trainer = L.Trainer(
    max_epochs=8,
    accelerator="cpu",
    logger=CSVLogger("logs"),
    log_every_n_steps=10,
    enable_progress_bar=False,
    enable_model_summary=False,
    callbacks=[PenlightCallback()],
)
trainer.fit(model, DataLoader(points(480), 24, shuffle=True), DataLoader(points(120), 60))
print({k: round(v.item(), 3) for k, v in trainer.callback_metrics.items()})
