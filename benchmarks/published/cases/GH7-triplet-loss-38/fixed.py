import json
import sys

import numpy as np
import torch
import torch.nn as nn
from sklearn.datasets import load_digits

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
np.random.seed(seed)
torch.manual_seed(seed)

params = {"margin": 0.5, "embedding_size": 16, "learning_rate": 1e-3, "num_epochs": 15, "classes": 10, "per_class": 6}


def pairwise_distances(emb):
    dot = emb @ emb.t()
    sq = dot.diag()
    dist = (sq.unsqueeze(0) - 2 * dot + sq.unsqueeze(1)).clamp_min(0)
    zero = (dist == 0).float()
    return (dist + zero * 1e-12).sqrt() * (1 - zero)


def batch_hard_triplet_loss(labels, emb, margin):
    dist = pairwise_distances(emb)
    same = labels.unsqueeze(0) == labels.unsqueeze(1)
    hardest_positive = (dist * same.float()).max(1).values
    hardest_negative = (dist + dist.max().detach() * same.float()).min(1).values
    return torch.relu(hardest_positive - hardest_negative + margin).mean(), dist.mean().item()


class EmbeddingNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Sequential(nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2))
        self.fc = nn.Sequential(nn.Flatten(), nn.Linear(32 * 16, 64), nn.ReLU(), nn.Linear(64, params["embedding_size"]))

    def forward(self, x):
        return self.fc(self.conv(x))


d = load_digits()
images, labels = torch.tensor(d.images, dtype=torch.float32).unsqueeze(1) / 16, torch.tensor(d.target)
order = torch.randperm(len(images))
train_idx, test_idx = order[:1200], order[1200:]
by_class = [train_idx[labels[train_idx] == c].numpy() for c in range(10)]


def balanced_batch():
    return torch.from_numpy(np.concatenate([np.random.choice(c, params["per_class"], replace=False) for c in by_class]))


@torch.no_grad()
def precision_at_1(model):
    model.eval()
    dist = torch.cdist(model(images[test_idx]), model(images[train_idx]))
    return (labels[train_idx][dist.argmin(1)] == labels[test_idx]).float().mean().item()


model = EmbeddingNet()
optimizer = torch.optim.Adam(model.parameters(), lr=params["learning_rate"])
for epoch in range(params["num_epochs"]):
    model.train()
    log = []
    for _ in range(25):
        idx = balanced_batch()
        loss, mean_dist = batch_hard_triplet_loss(labels[idx], model(images[idx]), params["margin"])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        log.append([loss.item(), mean_dist])
    p1 = precision_at_1(model)
    loss, dist = np.mean(log, 0)
    print(f"epoch {epoch + 1}: loss {loss:.4f} mean pairwise distance {dist:.4f} test precision@1 {p1:.4f}")

print("RESULT", json.dumps({"metric": "precision_at_1", "value": p1}))
