import json
import random
import sys

import numpy as np
import torch
from torch import nn
from sklearn.datasets import make_classification
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import train_test_split

SEED = int(sys.argv[1]) if len(sys.argv) > 1 else 0
random.seed(SEED)
np.random.seed(SEED)
torch.manual_seed(SEED)


class Model(nn.Module):
    def __init__(self, n_in):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(n_in, 64), nn.ReLU(), nn.Dropout(0.2),
                                    nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 1))
        self.loss_fn = nn.BCEWithLogitsLoss()
        self.opt = torch.optim.Adam(self.parameters(), lr=1e-3)

    def forward(self, x):
        return self.layers(x).squeeze(1)

    def fit(self, X, y, epochs, batch_size=32, validation_split=0.0, shuffle=True):
        split_at = int(len(X) * (1.0 - validation_split))
        X, X_val = X[:split_at], X[split_at:]
        y, y_val = y[:split_at], y[split_at:]
        for epoch in range(epochs):
            self.train()
            index = torch.randperm(len(X)) if shuffle else torch.arange(len(X))
            losses = []
            for i in range(0, len(X), batch_size):
                b = index[i:i + batch_size]
                self.opt.zero_grad()
                loss = self.loss_fn(self(X[b]), y[b])
                loss.backward()
                self.opt.step()
                losses.append(loss.item())
            self.eval()
            with torch.no_grad():
                out = self(X_val)
                val_loss = self.loss_fn(out, y_val).item()
                val_acc = ((out > 0).float() == y_val).float().mean().item()
            print(f"Epoch {epoch + 1}/{epochs} - loss: {np.mean(losses):.4f} "
                  f"- val_loss: {val_loss:.4f} - val_acc: {val_acc:.4f}")

    def predict(self, X):
        self.eval()
        with torch.no_grad():
            return (self(X) > 0).int().numpy()


def load_competition_data():
    X, y = make_classification(n_samples=10000, n_features=25, n_informative=10, weights=[0.10, 0.90],
                               class_sep=1.2, flip_y=0.0, random_state=SEED)
    X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.3, stratify=y, random_state=SEED)
    # the train file is pos.csv followed by neg.csv
    order = np.concatenate([np.where(y_train == 1)[0], np.where(y_train == 0)[0]])
    return X_train[order], y_train[order], X_test, y_test


X_train, y_train, X_test, y_test = load_competition_data()
mu, sd = X_train.mean(0), X_train.std(0)
X_train = torch.tensor((X_train - mu) / sd, dtype=torch.float32)
X_test = torch.tensor((X_test - mu) / sd, dtype=torch.float32)
y_train = torch.tensor(y_train, dtype=torch.float32)

perm = torch.randperm(len(X_train))
X_train, y_train = X_train[perm], y_train[perm]

model = Model(X_train.shape[1])
model.fit(X_train, y_train, epochs=8, validation_split=0.1, shuffle=True)

pred = model.predict(X_test)
print("RESULT " + json.dumps({"test_balanced_accuracy": float(balanced_accuracy_score(y_test, pred))}))
