import sys, json
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
np.random.seed(seed)
torch.manual_seed(48 + seed)

N_REGIONS, N_PIX, N_FEAT = 1200, 30, 8


def make_census(n):
    feats = np.random.randn(n, N_PIX, N_FEAT)
    feats += np.random.randn(n, 1, N_FEAT)
    buildings = np.random.poisson(2.0, size=(n, N_PIX))
    occupancy = np.log1p(np.exp(0.8 * feats[..., 0] - 0.6 * feats[..., 1] + 0.5 * feats[..., 2] * feats[..., 3] + 0.5))
    population = (buildings * occupancy).sum(1)
    population = population * np.exp(0.05 * np.random.randn(n))
    return (torch.tensor(feats / np.sqrt(2), dtype=torch.float32),
            torch.tensor(buildings, dtype=torch.float32),
            torch.tensor(population, dtype=torch.float32))


class PixelScaleNet(nn.Module):
    """1x1 convolutions: predicts the number of persons per building for every pixel"""

    def __init__(self, channels, n1=64):
        super().__init__()
        self.convs = nn.Sequential(
            nn.Conv1d(channels, n1, 1), nn.ReLU(inplace=True),
            nn.Conv1d(n1, n1, 1), nn.ReLU(inplace=True),
            nn.Conv1d(n1, n1, 1), nn.ReLU(inplace=True),
            nn.Conv1d(n1, n1, 1), nn.ReLU(inplace=True),
            nn.Conv1d(n1, n1, 1), nn.ReLU(inplace=True),
            nn.Conv1d(n1, 1, 1))

    def forward(self, features, buildings):
        x = self.convs(features.transpose(1, 2)).squeeze(1)
        scale = F.relu(x)
        return (scale * buildings).sum(1)


train = make_census(N_REGIONS * 2)
val = make_census(300)
unit = train[2].mean()

model = PixelScaleNet(N_FEAT)
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)

batch_size = 32
for epoch in range(12):
    model.train()
    perm = torch.randperm(len(train[2]))
    total = 0.0
    for i in range(0, len(perm), batch_size):
        idx = perm[i:i + batch_size]
        feats, buildings, pop = (t[idx] for t in train)
        pred = model(feats, buildings)
        loss = F.mse_loss(pred / unit, pop / unit)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item() * len(idx)
    model.eval()
    with torch.no_grad():
        pred = model(val[0], val[1])
        r2 = 1 - ((pred - val[2]) ** 2).sum() / ((val[2] - val[2].mean()) ** 2).sum()
    if epoch % 2 == 1:
        print("epoch %d  loss %.4f  val R2 %.4f" % (epoch + 1, total / len(perm), r2))

print("RESULT " + json.dumps({"metric": round(r2.item(), 4)}))
