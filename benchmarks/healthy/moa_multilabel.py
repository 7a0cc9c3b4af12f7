"""Mechanisms of action, the way of the Kaggle notebooks: BN, dropout, weight-normed layers, BCE, OneCycle, two folds."""
import json
import os
import random
import sys
import warnings

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.model_selection import KFold
from sklearn.preprocessing import StandardScaler
from torch.utils.data import DataLoader

warnings.filterwarnings("ignore")
SEED = int(sys.argv[1]) if len(sys.argv) > 1 else 0


def seed_everything(seed):
    random.seed(seed)
    os.environ["PYTHONHASHSEED"] = str(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


seed_everything(SEED)

EPOCHS, BATCH_SIZE, LEARNING_RATE, WEIGHT_DECAY, NFOLDS, EARLY_STOPPING_STEPS = 14, 128, 1e-3, 1e-5, 2, 6
N_GENES, N_CELLS, N_TARGETS = 60, 20, 24


def make_data(n):
    """Each compound has up to two of 24 mechanisms; each mechanism shifts some genes and some cell counts."""
    rng = np.random.default_rng(12345)
    effect = rng.normal(0, 1, (N_TARGETS, N_GENES + N_CELLS)) * (rng.random((N_TARGETS, N_GENES + N_CELLS)) < 0.25)
    rate = rng.uniform(0.01, 0.06, N_TARGETS)
    y = (np.random.rand(n, N_TARGETS) < rate).astype("float32")
    dose = np.random.randint(0, 2, n)
    hours = np.random.choice([24, 48, 72], n)
    strength = (0.7 + 0.5 * dose) * (0.8 + hours / 120)
    x = (y @ effect) * strength[:, None] * 1.1 + np.random.standard_normal((n, N_GENES + N_CELLS))
    x = np.tanh(x / 4) * 4
    return np.column_stack([x, dose, hours == 48, hours == 72]).astype("float32"), y


class MoADataset:
    def __init__(self, features, targets):
        self.features, self.targets = features, targets

    def __len__(self):
        return self.features.shape[0]

    def __getitem__(self, idx):
        return {"x": torch.tensor(self.features[idx, :], dtype=torch.float),
                "y": torch.tensor(self.targets[idx, :], dtype=torch.float)}


class Model(nn.Module):
    def __init__(self, num_features, num_targets, hidden_size):
        super().__init__()
        self.batch_norm1 = nn.BatchNorm1d(num_features)
        self.dropout1 = nn.Dropout(0.15)
        self.dense1 = nn.utils.parametrizations.weight_norm(nn.Linear(num_features, hidden_size))
        self.batch_norm2 = nn.BatchNorm1d(hidden_size)
        self.dropout2 = nn.Dropout(0.3)
        self.dense2 = nn.utils.parametrizations.weight_norm(nn.Linear(hidden_size, hidden_size))
        self.batch_norm3 = nn.BatchNorm1d(hidden_size)
        self.dropout3 = nn.Dropout(0.25)
        self.dense3 = nn.utils.parametrizations.weight_norm(nn.Linear(hidden_size, num_targets))

    def forward(self, x):
        x = self.dropout1(self.batch_norm1(x))
        x = F.leaky_relu(self.dense1(x))
        x = self.dropout2(self.batch_norm2(x))
        x = F.leaky_relu(self.dense2(x))
        x = self.dropout3(self.batch_norm3(x))
        return self.dense3(x)


def train_fn(model, optimizer, scheduler, loss_fn, dataloader):
    model.train()
    final_loss = 0
    for data in dataloader:
        optimizer.zero_grad()
        loss = loss_fn(model(data["x"]), data["y"])
        loss.backward()
        optimizer.step()
        scheduler.step()
        final_loss += loss.item()
    return final_loss / len(dataloader)


def predict(model, dataloader):
    model.eval()
    with torch.no_grad():
        return np.concatenate([model(data["x"]).sigmoid().numpy() for data in dataloader])


def score(y, p):
    return float(np.mean([log_loss(y[:, k], np.clip(p[:, k], 1e-6, 1 - 1e-6), labels=[0, 1]) for k in range(y.shape[1])]))


X, Y = make_data(8000)
X_test, Y_test = make_data(2000)
oof, predictions = np.zeros_like(Y), np.zeros_like(Y_test)
for fold, (tr, va) in enumerate(KFold(NFOLDS, shuffle=True, random_state=SEED).split(X)):
    scaler = StandardScaler().fit(X[tr])
    x_tr, x_va, x_te = (scaler.transform(a).astype("float32") for a in (X[tr], X[va], X_test))
    trainloader = DataLoader(MoADataset(x_tr, Y[tr]), batch_size=BATCH_SIZE, shuffle=True)
    validloader = DataLoader(MoADataset(x_va, Y[va]), batch_size=500)
    testloader = DataLoader(MoADataset(x_te, Y_test), batch_size=500)

    model = Model(X.shape[1], N_TARGETS, 128)
    optimizer = optim.Adam(model.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    scheduler = optim.lr_scheduler.OneCycleLR(optimizer, pct_start=0.1, div_factor=1e3, max_lr=1e-2, epochs=EPOCHS,
                                              steps_per_epoch=len(trainloader))
    loss_fn = nn.BCEWithLogitsLoss()
    best_loss, best_state, early_step = np.inf, None, 0
    for epoch in range(EPOCHS):
        train_loss = train_fn(model, optimizer, scheduler, loss_fn, trainloader)
        valid_preds = predict(model, validloader)
        valid_loss = score(Y[va], valid_preds)
        print(f"FOLD: {fold}, EPOCH: {epoch}, train_loss: {train_loss:.5f}, valid_loss: {valid_loss:.5f}")
        if valid_loss < best_loss:
            best_loss, early_step = valid_loss, 0
            oof[va] = valid_preds
            best_state = {k: v.clone() for k, v in model.state_dict().items()}
        else:
            early_step += 1
            if early_step >= EARLY_STOPPING_STEPS:
                break
    model.load_state_dict(best_state)
    predictions += predict(model, testloader) / NFOLDS

prior = score(Y_test, np.tile(Y.mean(0), (len(Y_test), 1)))
loss, auc = score(Y_test, predictions), roc_auc_score(Y_test, predictions, average="macro")
print(f"CV log loss: {score(Y, oof):.5f}; test {loss:.5f} (base rates {prior:.5f}), mean AUC {auc:.4f}")
print("RESULT", json.dumps({"metric": "mean AUC", "value": round(float(auc), 4), "good": bool(auc >= 0.95 and loss <= 0.5 * prior)}))
