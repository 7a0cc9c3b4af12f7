"""Three tasks on one trunk in Lightning, losses weighted by learned uncertainties (the total goes below zero); raw inputs into a BatchNorm.

Modelled after Kendall, Gal & Cipolla's multi-task likelihoods and yaringal/multi-task-learning-example (own code).
"""
import json
import logging
import sys
import warnings

import lightning as L
import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
warnings.filterwarnings("ignore")


def households(n, rng):
    income = rng.lognormal(10.5, 0.5, n)
    age = rng.uniform(20, 80, n)
    area = rng.normal(110, 35, n).clip(30)
    rooms = np.round(area / 25 + rng.normal(0, 0.8, n)).clip(1)
    dist = rng.exponential(12, n)
    temp = rng.normal(11, 4, n)
    x = np.stack([income, age, area, rooms, dist, temp], 1)
    zi, za, zr = (np.log(income) - 10.5) / 0.5, (age - 50) / 17, (area - 110) / 35
    heat = 0.8 * zr - 0.5 * (temp - 11) / 4 + 0.3 * zr * (11 - temp) / 4 + 0.1 * rng.normal(size=n)
    car = 0.7 * zi + 0.6 * np.log1p(dist) - 0.4 * za ** 2 + 0.4 * rng.normal(size=n)
    own = rng.random(n) < 1 / (1 + np.exp(-(1.5 * zi + 1.8 * za - 0.6 * za * zi)))
    return x, np.stack([heat, car], 1), own.astype(np.int64)


class MultiTask(L.LightningModule):
    def __init__(self, lr=5e-3, epochs=15):
        super().__init__()
        self.save_hyperparameters()
        self.trunk = nn.Sequential(nn.BatchNorm1d(6), nn.Linear(6, 64), nn.SiLU(), nn.Linear(64, 64), nn.SiLU())
        self.reg = nn.Linear(64, 2)
        self.cls = nn.Linear(64, 2)
        self.log_var = nn.Parameter(torch.zeros(3))
        self.history = []

    def forward(self, x):
        h = self.trunk(x)
        return self.reg(h), self.cls(h)

    def training_step(self, batch, _):
        x, yr, yc = batch
        pr, pc = self(x)
        mse = (pr - yr).pow(2).mean(0)
        ce = F.cross_entropy(pc, yc)
        s = self.log_var
        loss = (0.5 * torch.exp(-s[:2]) * mse + 0.5 * s[:2]).sum() + torch.exp(-s[2]) * ce + 0.5 * s[2]
        self.log("train_loss", loss, on_epoch=True, on_step=False)
        return loss

    def validation_step(self, batch, _):
        x, yr, yc = batch
        pr, pc = self(x)
        r2 = 1 - (pr - yr).pow(2).mean(0) / yr.var(0)
        self.log_dict({"r2_heat": r2[0], "r2_car": r2[1], "acc": (pc.argmax(1) == yc).float().mean()})

    def on_validation_epoch_end(self):
        m = self.trainer.callback_metrics
        if self.trainer.sanity_checking:
            return
        self.history.append({k: float(v) for k, v in m.items()})

    def on_train_epoch_end(self):
        m = self.trainer.callback_metrics
        print(f"epoch {self.current_epoch:2d} loss {m['train_loss']:+.3f} R2 {m['r2_heat']:.3f} {m['r2_car']:.3f} "
              f"acc {m['acc']:.3f} sigma {[round(v, 2) for v in torch.exp(0.5 * self.log_var).tolist()]}")

    def configure_optimizers(self):
        opt = torch.optim.AdamW(self.parameters(), lr=self.hparams.lr, weight_decay=1e-4)
        return [opt], [torch.optim.lr_scheduler.CosineAnnealingLR(opt, self.hparams.epochs)]


def main(seed):
    L.seed_everything(seed, verbose=False)
    x, yr, yc = households(8000, np.random.default_rng(seed))
    yr = (yr - yr[:6000].mean(0)) / yr[:6000].std(0)
    tens = [torch.tensor(x, dtype=torch.float32), torch.tensor(yr, dtype=torch.float32), torch.tensor(yc)]
    train = TensorDataset(*[t[:6000] for t in tens])
    valid = TensorDataset(*[t[6000:] for t in tens])
    model = MultiTask()
    trainer = L.Trainer(max_epochs=model.hparams.epochs, accelerator="cpu", logger=False, enable_checkpointing=False,
                        enable_progress_bar=False, enable_model_summary=False, num_sanity_val_steps=0)
    trainer.fit(model, DataLoader(train, batch_size=64, shuffle=True), DataLoader(valid, batch_size=2000))
    m = {k: float(v) for k, v in trainer.callback_metrics.items()}
    print(m)
    value = (m["r2_heat"] + m["r2_car"] + m["acc"]) / 3
    print("RESULT", json.dumps({"metric": "mean_r2_r2_acc", "value": round(value, 5), "good": bool(value >= 0.85)}))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
