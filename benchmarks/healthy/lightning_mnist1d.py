"""MNIST-1D with a strided conv net as a LightningModule; ModelCheckpoint keeps the best epoch."""
import json
import logging
import sys
import tempfile
import warnings

import lightning as L
import torch
import torch.nn.functional as F
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
from mnist1d.data import get_dataset_args, make_dataset
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

warnings.filterwarnings("ignore")
logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0


class MNIST1DDataModule(L.LightningDataModule):
    def __init__(self, num_samples=8000, batch_size=100):
        super().__init__()
        self.save_hyperparameters()

    def setup(self, stage=None):
        if hasattr(self, "train_set"):
            return
        args = get_dataset_args()
        args.num_samples, args.seed = self.hparams.num_samples, seed
        args.train_split = 0.75
        data = make_dataset(args)
        x, y = torch.tensor(data["x"]).float(), torch.tensor(data["y"]).long()
        self.train_set = TensorDataset(x, y)
        xt, yt = torch.tensor(data["x_test"]).float(), torch.tensor(data["y_test"]).long()
        half = len(yt) // 2
        self.val_set, self.test_set = TensorDataset(xt[:half], yt[:half]), TensorDataset(xt[half:], yt[half:])

    def train_dataloader(self):
        return DataLoader(self.train_set, batch_size=self.hparams.batch_size, shuffle=True)

    def val_dataloader(self):
        return DataLoader(self.val_set, batch_size=500)

    def test_dataloader(self):
        return DataLoader(self.test_set, batch_size=500)


class ConvBase(nn.Module):
    def __init__(self, output_size=10, channels=32, linear_in=160):
        super().__init__()
        self.conv1 = nn.Conv1d(1, channels, 5, stride=2, padding=1)
        self.conv2 = nn.Conv1d(channels, channels, 3, stride=2, padding=1)
        self.conv3 = nn.Conv1d(channels, channels, 3, stride=2, padding=1)
        self.drop = nn.Dropout(0.1)
        self.linear = nn.Linear(linear_in, output_size)

    def forward(self, x):
        x = x.view(-1, 1, x.shape[-1])
        x = F.relu(self.conv1(x))
        x = F.relu(self.conv2(x))
        x = F.relu(self.conv3(x))
        return self.linear(self.drop(x.flatten(1)))


class LitClassifier(L.LightningModule):
    def __init__(self, lr=1e-2, max_epochs=24, weight_decay=0.01):
        super().__init__()
        self.save_hyperparameters()
        self.model = ConvBase()
        self.history = []

    def forward(self, x):
        return self.model(x)

    def _shared_step(self, batch, stage):
        x, y = batch
        logits = self(x)
        loss = F.cross_entropy(logits, y)
        acc = (logits.argmax(-1) == y).float().mean()
        self.log(f"{stage}_loss", loss, on_epoch=True, on_step=False)
        self.log(f"{stage}_acc", acc, on_epoch=True, on_step=False)
        return loss

    def training_step(self, batch, batch_idx):
        return self._shared_step(batch, "train")

    def validation_step(self, batch, batch_idx):
        self._shared_step(batch, "val")

    def test_step(self, batch, batch_idx):
        self._shared_step(batch, "test")

    def on_train_epoch_end(self):
        m = {k: float(v) for k, v in self.trainer.callback_metrics.items()}
        print(f"epoch {self.current_epoch:2d} " + " ".join(f"{k} {v:.4f}" for k, v in sorted(m.items())))

    def configure_optimizers(self):
        optimizer = torch.optim.AdamW(self.parameters(), lr=self.hparams.lr, weight_decay=self.hparams.weight_decay)
        scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=self.hparams.max_epochs)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "epoch"}}


if __name__ == "__main__":
    L.seed_everything(seed, verbose=False)
    dm = MNIST1DDataModule()
    model = LitClassifier()
    checkpoint = ModelCheckpoint(dirpath=tempfile.mkdtemp(), monitor="val_loss", mode="min", save_top_k=1)
    trainer = L.Trainer(max_epochs=model.hparams.max_epochs, accelerator="cpu", devices=1, logger=False,
                        enable_progress_bar=False, enable_model_summary=False, gradient_clip_val=1.0,
                        callbacks=[checkpoint, EarlyStopping(monitor="val_loss", patience=6)])
    trainer.fit(model, datamodule=dm)
    best = LitClassifier.load_from_checkpoint(checkpoint.best_model_path, weights_only=False)
    result = trainer.test(best, datamodule=dm, verbose=False)[0]
    print(f"best epoch {checkpoint.best_model_path.rsplit('/', 1)[-1]}: {result}")
    acc = result["test_acc"]
    print("RESULT", json.dumps({"metric": "test accuracy", "value": round(acc, 4), "good": acc >= 0.9}))
