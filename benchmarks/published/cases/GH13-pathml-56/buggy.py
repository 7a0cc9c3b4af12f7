import sys
import json
import numpy as np
import torch
import torch.nn as nn
from torch.utils.data import Dataset, DataLoader

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
np.random.seed(seed)
torch.manual_seed(seed)

SIZE = 32


def make_patch(rng):
    yy, xx = np.mgrid[:SIZE, :SIZE]
    mask = np.zeros((SIZE, SIZE), dtype=np.float32)
    img = np.full((SIZE, SIZE), 0.75, dtype=np.float32)
    for _ in range(rng.randint(2, 6)):
        cy, cx = rng.uniform(3, SIZE - 3, 2)
        a, b = rng.uniform(2.5, 5.0, 2)
        inside = ((yy - cy) / a) ** 2 + ((xx - cx) / b) ** 2 < 1
        mask[inside] = 1
        img[inside] = 0.35 + 0.1 * rng.rand()
    img += rng.randn(SIZE, SIZE) * 0.12
    return img.astype(np.float32), mask


class Folder:
    """Directory holding .npy files; a listing comes in the order in which the file system keeps the entries."""

    def __init__(self):
        self.files = {}

    def save(self, name, array):
        self.files[name] = array

    def glob(self):
        return sorted(self.files.keys(), key=lambda n: hash_entry(n))

    def load(self, name):
        return self.files[name]


def hash_entry(name):
    h = 2166136261
    for c in name.encode():
        h = ((h ^ c) * 16777619) & 0xFFFFFFFF
    return (h ^ (h >> 15)) * 2654435761 & 0xFFFFFFFF


def process_downloaded(n, fold, rng):
    im_dir, mask_dir = Folder(), Folder()
    for i in range(n):
        im, m = make_patch(rng)
        im_dir.save(f"fold{fold}_im_{i}.npy", im)
        mask_dir.save(f"fold{fold}_mask_{i}.npy", m)
    return im_dir, mask_dir


class PanNukeDataset(Dataset):
    def __init__(self, im_dir, mask_dir):
        self.im_dir = im_dir
        self.mask_dir = mask_dir
        self.ims = list(im_dir.glob())
        self.masks = list(mask_dir.glob())
        assert len(self.ims) == len(self.masks)

    def __len__(self):
        return len(self.ims)

    def __getitem__(self, ix):
        im = self.im_dir.load(self.ims[ix])
        mask = self.mask_dir.load(self.masks[ix])
        im = (im - 0.6) / 0.22
        return torch.from_numpy(im).unsqueeze(0), torch.from_numpy(mask).unsqueeze(0)


def conv_block(i, o):
    return nn.Sequential(nn.Conv2d(i, o, 3, padding=1), nn.BatchNorm2d(o), nn.ReLU(inplace=True))


class UNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.enc1 = conv_block(1, 8)
        self.enc2 = conv_block(8, 16)
        self.pool = nn.MaxPool2d(2)
        self.up = nn.ConvTranspose2d(16, 8, 2, stride=2)
        self.dec = conv_block(16, 8)
        self.out = nn.Conv2d(8, 1, 1)

    def forward(self, x):
        e1 = self.enc1(x)
        e2 = self.enc2(self.pool(e1))
        d = self.dec(torch.cat([self.up(e2), e1], 1))
        return self.out(d)


rng = np.random.RandomState(10 + seed)
train_set = PanNukeDataset(*process_downloaded(1200, 1, rng))
valid_set = PanNukeDataset(*process_downloaded(300, 2, rng))
train_loader = DataLoader(train_set, batch_size=16, shuffle=True)
valid_loader = DataLoader(valid_set, batch_size=50)
test_pairs = [make_patch(rng) for _ in range(200)]

net = UNet()
criterion = nn.BCEWithLogitsLoss()
optimizer = torch.optim.Adam(net.parameters(), lr=2e-3)
n_epochs = 6
scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, n_epochs)

for epoch in range(n_epochs):
    net.train()
    train_loss = 0.0
    for ims, masks in train_loader:
        optimizer.zero_grad()
        loss = criterion(net(ims), masks)
        loss.backward()
        optimizer.step()
        train_loss += loss.item()
    scheduler.step()
    net.eval()
    valid_loss = 0.0
    with torch.no_grad():
        for ims, masks in valid_loader:
            valid_loss += criterion(net(ims), masks).item()
    print(f"epoch {epoch}: train loss {train_loss / len(train_loader):.4f}  valid loss {valid_loss / len(valid_loader):.4f}")

net.eval()
with torch.no_grad():
    x = torch.stack([torch.from_numpy((im - 0.6) / 0.22).unsqueeze(0) for im, _ in test_pairs])
    t = torch.stack([torch.from_numpy(m).unsqueeze(0) for _, m in test_pairs])
    p = (net(x) > 0).float()
    dice = (2 * (p * t).sum((1, 2, 3)) / (p.sum((1, 2, 3)) + t.sum((1, 2, 3)) + 1e-6)).mean().item()
print("RESULT " + json.dumps({"metric": "mean Dice on test patches", "value": round(dice, 4)}))
