# %% [markdown]
# # How many claims will a car policy bring?
# A Poisson network with exposure as an offset; 12 of 13 policies bring none.
# %%
import json
import sys

import numpy as np
import pandas as pd
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.metrics import mean_poisson_deviance
from sklearn.model_selection import train_test_split

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
np.random.seed(seed)
torch.manual_seed(seed)

# %% policies like those of freMTPL2
n = 60000
df = pd.DataFrame({
    "Exposure": np.random.beta(1.2, 0.9, n).clip(0.02, 1.0),
    "DrivAge": np.random.gamma(10, 4.6, n).clip(18, 90).round(),
    "VehAge": np.random.gamma(2, 3.5, n).clip(0, 25).round(),
    "BonusMalus": (50 + np.random.exponential(14, n)).clip(50, 150).round(),
    "Density": np.exp(np.random.normal(6, 1.8, n)).clip(1, 27000).round(),
    "VehPower": np.random.randint(4, 12, n),
    "VehBrand": np.random.randint(0, 10, n),
    "Region": np.random.randint(0, 20, n),
})
brand, region = np.random.normal(0, 0.3, 10), np.random.normal(0, 0.3, 20)
eta = (-2.6 + 1.1 * np.exp(-(df.DrivAge - 18) / 6) + 0.012 * (df.DrivAge - 60).clip(0) + 0.03 * (df.BonusMalus - 50)
       + 0.12 * (np.log(df.Density) - 6) - 0.03 * df.VehAge + 0.05 * (df.VehPower - 6) + brand[df.VehBrand] + region[df.Region]
       - 0.5 * ((df.VehAge < 1) & (df.VehBrand == 3)))
df["TrueFreq"] = np.exp(eta)
df["ClaimNb"] = np.random.poisson(df.Exposure * df.TrueFreq)
print(df.describe().T[["mean", "min", "max"]])
print("policies without a claim:", (df.ClaimNb == 0).mean().round(3))

learn, test = train_test_split(df, test_size=0.2, random_state=seed)
train, valid = train_test_split(learn, test_size=0.15, random_state=seed)
numeric = ["DrivAge", "VehAge", "BonusMalus", "LogDensity", "VehPower"]
for part in (train, valid, test):
    part.insert(0, "LogDensity", np.log(part.Density))
low, high = train[numeric].min(), train[numeric].max()


def tensors(part):
    scaled = 2 * (part[numeric] - low) / (high - low) - 1
    return (torch.tensor(scaled.values, dtype=torch.float32), torch.tensor(part[["VehBrand", "Region"]].values),
            torch.tensor(np.log(part.Exposure.values), dtype=torch.float32), torch.tensor(part.ClaimNb.values, dtype=torch.float32))


# %%
class FrequencyNet(nn.Module):
    def __init__(self, mean_frequency):
        super().__init__()
        self.brand, self.region = nn.Embedding(10, 2), nn.Embedding(20, 2)
        self.body = nn.Sequential(nn.Linear(9, 20), nn.Tanh(), nn.Linear(20, 15), nn.Tanh(), nn.Linear(15, 10), nn.Tanh())
        self.out = nn.Linear(10, 1)
        nn.init.zeros_(self.out.weight)  # start from the homogeneous model
        nn.init.constant_(self.out.bias, float(np.log(mean_frequency)))

    def forward(self, num, cat, log_exposure):
        x = torch.cat([num, self.brand(cat[:, 0]), self.region(cat[:, 1])], 1)
        return self.out(self.body(x)).squeeze(1) + log_exposure


train_t, valid_t, test_t = tensors(train), tensors(valid), tensors(test)
mean_frequency = train.ClaimNb.sum() / train.Exposure.sum()
model = FrequencyNet(mean_frequency)
optimizer = torch.optim.NAdam(model.parameters(), lr=2e-3)


def deviance(part_t):
    model.eval()
    with torch.no_grad():
        mu = model(*part_t[:3]).exp().double().numpy()
    return mean_poisson_deviance(part_t[3].numpy(), mu)


# %%
best, best_weights = np.inf, None
for epoch in range(40):
    model.train()
    total = 0
    for idx in torch.randperm(len(train)).split(512):
        num, cat, offset, claims = (a[idx] for a in train_t)
        loss = F.poisson_nll_loss(model(num, cat, offset), claims, log_input=True)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item() * len(idx)
    v = deviance(valid_t)
    if v < best:
        best, best_weights = v, {k: w.clone() for k, w in model.state_dict().items()}
    if epoch % 2 == 0:
        print(f"epoch {epoch:2d}  train loss {total / len(train):.5f}  valid deviance {v:.5f}")
model.load_state_dict(best_weights)

# %%
y = test.ClaimNb.values
null = mean_poisson_deviance(y, mean_frequency * test.Exposure)
truth = mean_poisson_deviance(y, test.TrueFreq * test.Exposure)
ours = deviance(test_t)
share = (null - ours) / (null - truth)
print(f"test deviance: homogeneous {null:.5f}, network {ours:.5f}, true frequencies {truth:.5f}")
print("RESULT", json.dumps({"metric": "share of the explainable deviance", "value": round(share, 4), "good": bool(share >= 0.8)}))
