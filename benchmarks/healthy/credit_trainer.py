"""Probability of default from a loan application table, with a small Trainer class."""
import json
import sys

import numpy as np
import torch
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

SEED = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.set_num_threads(1)
torch.manual_seed(SEED)
rng = np.random.default_rng(SEED)


def make_loans(n):
    income = rng.lognormal(10.3, 0.5, n)
    amount = rng.lognormal(9.2, 0.6, n)
    age = rng.uniform(20, 70, n)
    history = rng.gamma(2.0, 4.0, n)
    utilisation = rng.beta(2, 3, n)
    late = rng.poisson(0.8, n)
    owner = rng.integers(0, 2, n)
    inquiries = rng.poisson(1.5, n)
    burden = np.log(amount / income)
    logit = (-1.9 + 1.1 * (burden + 1.1) + 0.9 * late - 0.7 * owner - 0.05 * history
             + 3.0 * (utilisation - 0.4) * (1 + 0.5 * owner) + 0.0012 * (age - 45) ** 2 + 0.2 * inquiries)
    p = 1 / (1 + np.exp(-1.3 * logit))
    x = np.stack([np.log(income), np.log(amount), age, history, utilisation, late, owner, inquiries], 1)
    return x.astype(np.float32), (rng.random(n) < p).astype(np.float32), p


class Trainer:
    def __init__(self, model, optimizer, scheduler, loss_fn):
        self.model, self.optimizer, self.scheduler, self.loss_fn = model, optimizer, scheduler, loss_fn

    def train_epoch(self, loader):
        self.model.train()
        total, count = 0.0, 0
        for xb, yb in loader:
            self.optimizer.zero_grad()
            loss = self.loss_fn(self.model(xb).squeeze(1), yb)
            loss.backward()
            self.optimizer.step()
            self.scheduler.step()
            total += loss.item() * len(yb)
            count += len(yb)
        return total / count

    @torch.no_grad()
    def evaluate(self, loader):
        self.model.eval()
        logits, ys = [], []
        for xb, yb in loader:
            logits.append(self.model(xb).squeeze(1))
            ys.append(yb)
        logits, ys = torch.cat(logits), torch.cat(ys)
        return self.loss_fn(logits, ys).item(), torch.sigmoid(logits).numpy(), ys.numpy()

    def fit(self, train_loader, val_loader, epochs):
        for epoch in range(epochs):
            tr = self.train_epoch(train_loader)
            va, _, _ = self.evaluate(val_loader)
            print(f"epoch {epoch + 1:2d}  train {tr:.4f}  val {va:.4f}")


x, y, p = make_loans(24000)
idx_tr, idx_te = train_test_split(np.arange(len(y)), test_size=6000, random_state=SEED, stratify=y)
idx_tr, idx_va = train_test_split(idx_tr, test_size=3000, random_state=SEED, stratify=y[idx_tr])
scaler = StandardScaler().fit(x[idx_tr])


def loader(idx, shuffle):
    ds = TensorDataset(torch.from_numpy(scaler.transform(x[idx])), torch.from_numpy(y[idx]))
    return DataLoader(ds, batch_size=128, shuffle=shuffle)


train_loader, val_loader, test_loader = loader(idx_tr, True), loader(idx_va, False), loader(idx_te, False)
EPOCHS = 16
model = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 1))
opt = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=1e-2)
sched = torch.optim.lr_scheduler.CosineAnnealingLR(opt, EPOCHS * len(train_loader))
trainer = Trainer(model, opt, sched, nn.BCEWithLogitsLoss())
trainer.fit(train_loader, val_loader, EPOCHS)

test_loss, prob, yt = trainer.evaluate(test_loader)
oracle = log_loss(yt, p[idx_te])
oracle_auc = roc_auc_score(yt, p[idx_te])
auc = roc_auc_score(yt, prob)
print(f"test log loss {test_loss:.4f} (true probabilities {oracle:.4f}), AUC {auc:.4f} (true {oracle_auc:.4f})")
good = bool(test_loss < oracle + 0.012 and auc > oracle_auc - 0.01)
print("RESULT " + json.dumps({"test_auc": round(float(auc), 4), "good": good}))
