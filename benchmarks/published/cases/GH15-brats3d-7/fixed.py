# 3D tumour segmentation with an autoencoder branch as regulariser (after Myronenko 2018), small volumes
import sys
import json
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

SEED = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(SEED)
np.random.seed(SEED)
torch.set_num_threads(1)

SIZE = 16
WEIGHT_L2 = 0.1
WEIGHT_KL = 0.1


def make_volume(rng):
    """4 modalities, one tumour (ellipsoid) that shows differently in each of them."""
    g = np.stack(np.meshgrid(*[np.arange(SIZE)] * 3, indexing="ij")).astype(np.float32)
    c = rng.uniform(4.5, 10.5, size=3).reshape(3, 1, 1, 1)
    r = rng.uniform(2.2, 4.2, size=3).reshape(3, 1, 1, 1)
    mask = ((((g - c) / r) ** 2).sum(0) < 1).astype(np.float32)
    head = ((((g - 7.5) / 7.5) ** 2).sum(0) < 1).astype(np.float32)
    gains = [1.2, 0.8, -0.6, 1.0]
    vol = [head * 0.8 + gain * mask + rng.normal(0, 0.35, mask.shape) for gain in gains]
    vol = np.stack(vol)
    vol = (vol - vol.mean()) / vol.std()
    return vol.astype(np.float32), mask[None]


def make_set(n, rng):
    xs, ys = zip(*[make_volume(rng) for _ in range(n)])
    return torch.tensor(np.stack(xs)), torch.tensor(np.stack(ys))


class GreenBlock(nn.Module):
    def __init__(self, filters):
        super().__init__()
        self.gn1 = nn.GroupNorm(4, filters)
        self.conv1 = nn.Conv3d(filters, filters, 3, padding=1)
        self.gn2 = nn.GroupNorm(4, filters)
        self.conv2 = nn.Conv3d(filters, filters, 3, padding=1)

    def forward(self, x):
        y = self.conv1(F.relu(self.gn1(x)))
        y = self.conv2(F.relu(self.gn2(y)))
        return x + y


class BratsNet(nn.Module):
    def __init__(self, in_ch=4, out_ch=1, latent=16):
        super().__init__()
        self.inp = nn.Conv3d(in_ch, 8, 3, padding=1)
        self.drop = nn.Dropout3d(0.2)
        self.x1 = GreenBlock(8)
        self.down1 = nn.Conv3d(8, 16, 3, stride=2, padding=1)
        self.x2 = GreenBlock(16)
        self.down2 = nn.Conv3d(16, 32, 3, stride=2, padding=1)
        self.x3 = GreenBlock(32)
        # ground truth decoder
        self.red2 = nn.Conv3d(32, 16, 1)
        self.dec2 = GreenBlock(16)
        self.red1 = nn.Conv3d(16, 8, 1)
        self.dec1 = GreenBlock(8)
        self.out_gt = nn.Conv3d(8, out_ch, 1)
        # autoencoder branch
        self.vd = nn.Conv3d(32, 8, 3, stride=2, padding=1)
        self.vd_dense = nn.Linear(8 * 8, 32)
        self.z_mean = nn.Linear(32, latent)
        self.z_var = nn.Linear(32, latent)
        self.vu = nn.Linear(latent, 8 * 8)
        self.vae_red = nn.Conv3d(8, 16, 1)
        self.vae_dec = nn.Conv3d(16, 8, 3, padding=1)
        self.out_vae = nn.Conv3d(8, in_ch, 1)

    def forward(self, x):
        x1 = self.x1(self.drop(self.inp(x)))
        x2 = self.x2(self.down1(x1))
        x3 = self.x3(self.down2(x2))
        y = self.dec2(F.interpolate(self.red2(x3), scale_factor=2) + x2)
        y = self.dec1(F.interpolate(self.red1(y), scale_factor=2) + x1)
        gt = torch.sigmoid(self.out_gt(y))
        v = self.vd_dense(F.relu(self.vd(F.relu(x3))).flatten(1))
        mean, logvar = self.z_mean(v), self.z_var(v)
        z = mean + torch.exp(0.5 * logvar) * torch.randn_like(mean)
        v = F.relu(self.vu(z)).view(-1, 8, 2, 2, 2)
        v = F.interpolate(F.relu(self.vae_red(v)), scale_factor=4)
        v = F.interpolate(F.relu(self.vae_dec(v)), scale_factor=2)
        return gt, self.out_vae(v), mean, logvar


def dice_score(y_true, y_pred):
    y_pred = (y_pred > 0.5).float()
    inter = (y_true * y_pred).sum(dim=(1, 2, 3, 4))
    return (2 * inter / (y_true.sum(dim=(1, 2, 3, 4)) + y_pred.sum(dim=(1, 2, 3, 4)) + 1e-8)).mean().item()


def brats_loss(x, y_true, y_pred, rec, z_mean, z_var, e=1e-8):
    intersection = torch.abs(y_true * y_pred).sum(dim=(1, 2, 3, 4))
    loss_dice = (2.0 * intersection) / (
        (y_true ** 2).sum(dim=(1, 2, 3, 4)) + (y_pred ** 2).sum(dim=(1, 2, 3, 4)) + e)
    n = x[0].numel()
    loss_l2 = ((x - rec) ** 2).mean(dim=(1, 2, 3, 4))
    loss_kl = (1.0 / n) * (torch.exp(z_var) + z_mean ** 2 - 1.0 - z_var).sum(-1)
    return (-loss_dice + WEIGHT_L2 * loss_l2 + WEIGHT_KL * loss_kl).mean()


rng = np.random.RandomState(100 + SEED)
x_train, y_train = make_set(56, rng)
x_test, y_test = make_set(24, rng)
print("train", tuple(x_train.shape), "tumour share %.3f" % y_train.mean().item())

model = BratsNet()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
EPOCHS, BATCH = 6, 4
for epoch in range(EPOCHS):
    model.train()
    perm = torch.randperm(len(x_train))
    total = 0.0
    for i in range(0, len(perm), BATCH):
        idx = perm[i:i + BATCH]
        optimizer.zero_grad()
        gt, rec, m, v = model(x_train[idx])
        loss = brats_loss(x_train[idx], y_train[idx], gt, rec, m, v)
        loss.backward()
        optimizer.step()
        total += loss.item() * len(idx)
    model.eval()
    with torch.no_grad():
        d = dice_score(y_test, model(x_test)[0])
    print("epoch %d  loss %.4f  test dice %.4f" % (epoch + 1, total / len(perm), d))

print("RESULT " + json.dumps({"metric": "test_dice", "value": round(d, 4)}))
