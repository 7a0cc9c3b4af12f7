"""ArcFace: angular margin and scale on a normalised softmax over 300 identities; judged on people never seen.
The margin is subtracted from the true class in training only, so the training loss and accuracy look bad by design."""
import json
import math
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.metrics import roc_auc_score

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.set_num_threads(1)
torch.manual_seed(seed)
IDS, UNSEEN, SHOTS, LATENT, NUISANCE, PIXELS = 300, 100, 60, 10, 14, 64
camera = nn.Sequential(nn.Linear(LATENT + NUISANCE, 96), nn.Tanh(), nn.Linear(96, PIXELS)).requires_grad_(False)
with torch.no_grad():
    camera[0].weight.normal_(0, 1.0 / math.sqrt(LATENT + NUISANCE))
    camera[2].weight.normal_(0, 1.5 / math.sqrt(96))


def photos(n_ids, shots):
    who = torch.arange(n_ids).repeat_interleave(shots)
    persons = torch.randn(n_ids, LATENT)
    z = torch.cat([persons[who] + 0.15 * torch.randn(len(who), LATENT), 1.6 * torch.randn(len(who), NUISANCE)], 1)
    return camera(z) + 0.05 * torch.randn(len(who), PIXELS), who


class ArcMargin(nn.Module):
    def __init__(self, dim, classes, scale=16.0, margin=0.25):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(classes, dim))
        nn.init.xavier_uniform_(self.weight)
        self.scale, self.margin = scale, margin

    def forward(self, emb, label):
        cos = F.linear(F.normalize(emb), F.normalize(self.weight)).clamp(-1 + 1e-6, 1 - 1e-6)
        theta = cos.gather(1, label[:, None]).acos()
        pushed = torch.where(theta + self.margin < math.pi, (theta + self.margin).cos(), theta.cos() - self.margin * math.sin(self.margin))
        return self.scale * cos.scatter(1, label[:, None], pushed)


x, who = photos(IDS, SHOTS)
vx, vwho = photos(UNSEEN, 10)
tx, twho = photos(UNSEEN, 10)
mu, sd = x.mean(0), x.std(0)
x, vx, tx = (x - mu) / sd, (vx - mu) / sd, (tx - mu) / sd

encoder = nn.Sequential(nn.Linear(PIXELS, 160), nn.BatchNorm1d(160), nn.PReLU(),
                        nn.Linear(160, 96), nn.BatchNorm1d(96), nn.PReLU(), nn.Linear(96, 32), nn.BatchNorm1d(32))
head = ArcMargin(32, IDS)
opt = torch.optim.SGD([*encoder.parameters(), *head.parameters()], lr=0.05, momentum=0.9, weight_decay=1e-3, nesterov=True)
EPOCHS = 10
sched = torch.optim.lr_scheduler.MultiStepLR(opt, [6, 8], 0.2)


@torch.no_grad()
def auc(embed, data, label):
    e = F.normalize(embed(data))
    i, j = torch.triu_indices(len(e), len(e), 1)
    return roc_auc_score((label[i] == label[j]).numpy(), (e @ e.T)[i, j].numpy())


for epoch in range(EPOCHS):
    encoder.train()
    total, hits = 0.0, 0
    for idx in torch.randperm(len(x)).split(128):
        logits = head(encoder(x[idx]), who[idx])
        loss = F.cross_entropy(logits, who[idx])
        opt.zero_grad()
        loss.backward()
        opt.step()
        total += loss.item() * len(idx)
        hits += (logits.argmax(1) == who[idx]).sum().item()
    sched.step()
    if epoch % 2 == 1:
        encoder.eval()
        print(f"epoch {epoch + 1} loss {total / len(x):.3f} accuracy under margin {hits / len(x):.3f} unseen-pair AUC {auc(encoder, vx, vwho):.4f}")
encoder.eval()
ours, raw = auc(encoder, tx, twho), auc(lambda d: d, tx, twho)
print(f"verification AUC on unseen people {ours:.4f}, raw pixels {raw:.4f}")
print("RESULT " + json.dumps({"metric": "unseen_verification_auc", "value": round(float(ours), 4), "good": bool(ours > 0.93 and ours > raw + 0.1)}))
