"""U-Net for breast mass segmentation (small synthetic mammogram patches)."""
import sys
import json
import math
import random

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import Dataset, DataLoader

SEED = int(sys.argv[1]) if len(sys.argv) > 1 else 0
random.seed(SEED)
np.random.seed(SEED)
torch.manual_seed(SEED)
torch.set_num_threads(1)

SIZE = 32


def make_patient(rng):
    yy, xx = np.mgrid[0:SIZE, 0:SIZE].astype(np.float32)
    tissue = rng.normal(0, 1, (6, 6)).astype(np.float32)
    tissue = F.interpolate(torch.from_numpy(tissue)[None, None], size=(SIZE, SIZE), mode="bicubic")[0, 0].numpy()
    img = 0.35 + 0.08 * tissue
    mask = np.zeros((SIZE, SIZE), np.float32)
    cx, cy = rng.uniform(8, SIZE - 8, 2)
    a, b = rng.uniform(4, 8), rng.uniform(3, 6)
    th = rng.uniform(0, math.pi)
    u = (xx - cx) * math.cos(th) + (yy - cy) * math.sin(th)
    v = -(xx - cx) * math.sin(th) + (yy - cy) * math.cos(th)
    inside = (u / a) ** 2 + (v / b) ** 2 < 1
    img[inside] += 0.3
    mask[inside] = 1.0
    img += rng.normal(0, 0.08, img.shape).astype(np.float32)
    return {"image": torch.from_numpy(np.clip(img, 0, 1).astype(np.float32)), "mass_mask": torch.from_numpy(mask)}


class RandomHorizontalFlip:
    def __init__(self, p=0.5):
        self.p = p

    def __call__(self, t):
        return torch.flip(t, dims=[-1]) if random.random() < self.p else t


class RandomVerticalFlip:
    def __init__(self, p=0.5):
        self.p = p

    def __call__(self, t):
        return torch.flip(t, dims=[-2]) if random.random() < self.p else t


class RandomRotation:
    def __init__(self, degrees):
        self.degrees = degrees

    def __call__(self, t):
        a = math.radians(random.uniform(-self.degrees, self.degrees))
        theta = torch.tensor([[math.cos(a), -math.sin(a), 0.0], [math.sin(a), math.cos(a), 0.0]])
        grid = F.affine_grid(theta[None], [1, *t.shape], align_corners=False)
        return F.grid_sample(t[None], grid, mode="nearest", align_corners=False)[0]


class Compose:
    def __init__(self, ts):
        self.ts = ts

    def __call__(self, t):
        for f in self.ts:
            t = f(t)
        return t


class INBreastDataset(Dataset):
    def __init__(self, patients, transform=None):
        self.patients = patients
        self.transform = transform

    def __len__(self):
        return len(self.patients)

    def __getitem__(self, index):
        patient_dict = self.patients[index]
        image = patient_dict["image"].unsqueeze(0)
        mass_mask = patient_dict["mass_mask"].unsqueeze(0)
        if self.transform is not None:
            image = self.transform(image)
            mass_mask = self.transform(mass_mask)
        return image, mass_mask


def double_conv(cin, cout):
    return nn.Sequential(
        nn.Conv2d(cin, cout, 3, padding=1), nn.BatchNorm2d(cout), nn.ReLU(inplace=True),
        nn.Conv2d(cout, cout, 3, padding=1), nn.BatchNorm2d(cout), nn.ReLU(inplace=True))


class UNet(nn.Module):
    def __init__(self, ch=8):
        super().__init__()
        self.d1 = double_conv(1, ch)
        self.d2 = double_conv(ch, 2 * ch)
        self.mid = double_conv(2 * ch, 4 * ch)
        self.u2 = nn.ConvTranspose2d(4 * ch, 2 * ch, 2, stride=2)
        self.c2 = double_conv(4 * ch, 2 * ch)
        self.u1 = nn.ConvTranspose2d(2 * ch, ch, 2, stride=2)
        self.c1 = double_conv(2 * ch, ch)
        self.out = nn.Conv2d(ch, 1, 1)

    def forward(self, x):
        a = self.d1(x)
        b = self.d2(F.max_pool2d(a, 2))
        m = self.mid(F.max_pool2d(b, 2))
        x = self.c2(torch.cat([self.u2(m), b], 1))
        x = self.c1(torch.cat([self.u1(x), a], 1))
        return self.out(x)


def dice(model, loader):
    model.eval()
    inter = total = 0.0
    with torch.no_grad():
        for x, m in loader:
            p = (torch.sigmoid(model(x)) > 0.5).float()
            inter += (p * m).sum().item()
            total += p.sum().item() + m.sum().item()
    model.train()
    return 2 * inter / max(total, 1.0)


def main():
    rng = np.random.default_rng(SEED)
    train_p = [make_patient(rng) for _ in range(240)]
    val_p = [make_patient(rng) for _ in range(80)]
    augment = Compose([RandomHorizontalFlip(0.5), RandomVerticalFlip(0.5), RandomRotation(35)])
    train_loader = DataLoader(INBreastDataset(train_p, augment), batch_size=8, shuffle=True)
    val_loader = DataLoader(INBreastDataset(val_p), batch_size=16)

    model = UNet()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    criterion = nn.BCEWithLogitsLoss()

    for epoch in range(14):
        total = 0.0
        for image, mask in train_loader:
            optimizer.zero_grad()
            loss = criterion(model(image), mask)
            loss.backward()
            optimizer.step()
            total += loss.item()
        print(f"Epoch {epoch + 1:02d} | train loss {total / len(train_loader):.4f} | val dice {dice(model, val_loader):.4f}")

    print("RESULT " + json.dumps({"metric": "val_dice", "value": round(dice(model, val_loader), 4)}))


if __name__ == "__main__":
    main()
