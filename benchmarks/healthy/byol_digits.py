"""BYOL on 8x8 digits: online and EMA target networks, no negatives; then a linear probe on few labels."""
import copy
import json
import sys

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from torch import nn
from torch.nn import functional as F

SEED = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.set_num_threads(1)
torch.manual_seed(SEED)
rng = np.random.default_rng(SEED)

X, y = load_digits(return_X_y=True)
X = (X / 16.0).astype("float32").reshape(-1, 1, 8, 8)
X_pool, X_test, y_pool, y_test = train_test_split(X, y, test_size=500, stratify=y, random_state=SEED)
pool = torch.from_numpy(X_pool)


def augment(x):
    n = len(x)
    ang = (torch.rand(n) - 0.5) * 0.7
    scale = 1 + (torch.rand(n) - 0.5) * 0.3
    shift = (torch.rand(n, 2) - 0.5) * 0.5
    theta = torch.zeros(n, 2, 3)
    theta[:, 0, 0] = scale * ang.cos()
    theta[:, 0, 1] = -scale * ang.sin()
    theta[:, 1, 0] = scale * ang.sin()
    theta[:, 1, 1] = scale * ang.cos()
    theta[:, :, 2] = shift
    out = F.grid_sample(x, F.affine_grid(theta, x.shape, align_corners=False), align_corners=False)
    out = out * (0.7 + 0.6 * torch.rand(n, 1, 1, 1))
    return out + 0.08 * torch.randn_like(out)


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Sequential(
            nn.Conv2d(1, 24, 3, padding=1, bias=False), nn.BatchNorm2d(24), nn.ReLU(),
            nn.Conv2d(24, 48, 3, padding=1, stride=2, bias=False), nn.BatchNorm2d(48), nn.ReLU(),
            nn.Conv2d(48, 64, 3, padding=1, stride=2, bias=False), nn.BatchNorm2d(64), nn.ReLU(),
            nn.Flatten())
        self.project = nn.Sequential(nn.Linear(256, 128, bias=False), nn.BatchNorm1d(128), nn.ReLU(), nn.Linear(128, 48))

    def forward(self, x):
        return self.project(self.conv(x))


online = Encoder()
untrained = copy.deepcopy(online).eval()
target = copy.deepcopy(online).requires_grad_(False)
predictor = nn.Sequential(nn.Linear(48, 96, bias=False), nn.BatchNorm1d(96), nn.ReLU(), nn.Linear(96, 48))
EPOCHS, BATCH = 45, 128
opt = torch.optim.AdamW([*online.parameters(), *predictor.parameters()], lr=2e-3, weight_decay=1e-3)
steps_total = EPOCHS * (len(pool) // BATCH)
sched = torch.optim.lr_scheduler.CosineAnnealingLR(opt, steps_total)


def regression_loss(p, z):
    return 2 - 2 * F.cosine_similarity(p, z, dim=1).mean()


step = 0
for epoch in range(EPOCHS):
    losses, spreads = [], []
    for idx in torch.randperm(len(pool)).split(BATCH):
        if len(idx) < BATCH:
            continue
        v1, v2 = augment(pool[idx]), augment(pool[idx])
        with torch.no_grad():
            t1, t2 = target(v1), target(v2)
        loss = regression_loss(predictor(online(v1)), t2) + regression_loss(predictor(online(v2)), t1)
        opt.zero_grad()
        loss.backward()
        opt.step()
        sched.step()
        tau = 1 - 0.02 * (np.cos(np.pi * step / steps_total) + 1) / 2
        with torch.no_grad():
            for p, q in zip(online.parameters(), target.parameters()):
                q.mul_(tau).add_(p, alpha=1 - tau)
        step += 1
        losses.append(loss.item())
        spreads.append(F.normalize(t1, dim=1).std(0).mean().item())
    if epoch % 5 == 4:
        print(f"epoch {epoch + 1} loss {np.mean(losses):.4f} spread of targets {np.mean(spreads):.4f}")

online.eval()


@torch.no_grad()
def features(model, x):
    return model.conv(torch.from_numpy(x)).numpy()


def probe(fit_x, test_x, idx):
    mu, sd = fit_x.mean(0), fit_x.std(0) + 1e-6
    clf = LogisticRegression(max_iter=1000, C=0.1).fit((fit_x[idx] - mu) / sd, y_pool[idx])
    return clf.score((test_x - mu) / sd, y_test)


scores = {"byol": [], "raw": [], "untrained": []}
for rep in range(10):
    few = np.concatenate([rng.choice(np.where(y_pool == c)[0], 3, replace=False) for c in range(10)])
    scores["byol"].append(probe(features(online, X_pool), features(online, X_test), few))
    scores["untrained"].append(probe(features(untrained, X_pool), features(untrained, X_test), few))
    scores["raw"].append(probe(X_pool.reshape(len(X_pool), -1), X_test.reshape(len(X_test), -1), few))
mean = {k: float(np.mean(v)) for k, v in scores.items()}
print("probe on 3 labels a class:", {k: round(v, 4) for k, v in mean.items()})
good = mean["byol"] > mean["raw"] + 0.02 and mean["byol"] > mean["untrained"] + 0.04
print("RESULT " + json.dumps({"metric": "three_label_probe_accuracy", "value": round(mean["byol"], 4), "good": bool(good)}))
