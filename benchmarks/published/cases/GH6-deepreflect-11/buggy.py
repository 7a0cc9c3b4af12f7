import json
import sys

import numpy as np
import torch
import torch.nn as nn
from sklearn.metrics import roc_auc_score
from torch.utils.data import DataLoader

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
np.random.seed(seed)
torch.manual_seed(seed)

mix = np.random.RandomState(1).rand(6, 24) ** 3


def functions(n, odd=False):
    counts = np.random.gamma(2.0, 2.0, (n, 6)) @ mix
    if odd:
        counts = np.stack([row[np.random.permutation(24)] for row in counts])
    counts = np.random.poisson(counts * 3).astype("float64")
    unused = np.zeros((n, 2))
    return np.concatenate([counts, unused], axis=1)


train_raw = functions(4000)
benign_raw, odd_raw = functions(500), functions(500, odd=True)

max_values = train_raw.max(axis=0)
normalize = lambda a: torch.tensor(a / max_values, dtype=torch.float32)
np.seterr(all="ignore")
train_x, benign_x, odd_x = normalize(train_raw), normalize(benign_raw), normalize(odd_raw)
n_features = train_x.shape[1]

autoencoder = nn.Sequential(
    nn.Linear(n_features, 32), nn.ReLU(), nn.Linear(32, 6),
    nn.Linear(6, 32), nn.ReLU(), nn.Linear(32, n_features))
optimizer = torch.optim.Adam(autoencoder.parameters(), lr=2e-3)
mse = nn.MSELoss()
loader = DataLoader(train_x, batch_size=64, shuffle=True)

for epoch in range(12):
    losses = []
    for x in loader:
        optimizer.zero_grad()
        loss = mse(autoencoder(x), x)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    print(f"epoch {epoch + 1} - loss: {np.mean(losses):.6f} - mse: {np.mean(losses):.6f}")

autoencoder.eval()
with torch.no_grad():
    errors = [((autoencoder(x) - x) ** 2).mean(1).numpy() for x in (benign_x, odd_x)]
scores = np.nan_to_num(np.concatenate(errors))
auc = roc_auc_score(np.r_[np.zeros(500), np.ones(500)], scores)
print("RESULT", json.dumps({"metric": "auc", "value": float(auc)}))
