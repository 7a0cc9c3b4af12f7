"""Dense map prediction: image -> per-class semantic map with a visibility mask."""
import sys
import json
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import Dataset, DataLoader
from sklearn.datasets import load_digits

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
np.random.seed(seed)
torch.set_num_threads(1)

NUM_CLASSES = 10
H, W = 16, 40


class SignMapDataset(Dataset):
    """strips with printed signs (digits); the map holds, for every class, the cells it covers"""

    def __init__(self, glyphs, classes, n, rng):
        self.items = []
        for _ in range(n):
            image = np.abs(rng.normal(0, 0.12, size=(1, H, W))).astype(np.float32)
            labels = np.zeros((NUM_CLASSES, H, W), bool)
            slots = rng.permutation(4)[:rng.randint(2, 5)]
            for s in slots:
                k = rng.randint(len(glyphs))
                x, y = int(s * 10 + rng.randint(0, 3)), rng.randint(0, H - 8)
                image[0, y:y + 8, x:x + 8] += glyphs[k] * rng.uniform(0.7, 1.1)
                labels[classes[k], y:y + 8, x:x + 8] = True
            mask = np.ones((H, W), bool)
            mask[:, rng.randint(0, W)] = False
            calib = np.eye(3, dtype=np.float32)
            self.items.append((torch.from_numpy(image), torch.from_numpy(calib),
                               torch.from_numpy(labels), torch.from_numpy(mask)))

    def __len__(self):
        return len(self.items)

    def __getitem__(self, index):
        return self.items[index]


def random_hflip(image, labels, mask):
    image = torch.flip(image, (-1,))
    labels = torch.flip(labels.int(), (-1,)).bool()
    mask = torch.flip(mask.int(), (-1,)).bool()
    return image, labels, mask


class AugmentedMapDataset(Dataset):

    def __init__(self, dataset, hflip=True):
        self.dataset = dataset
        self.hflip = hflip

    def __len__(self):
        return len(self.dataset)

    def __getitem__(self, index):
        image, calib, labels, mask = self.dataset[index]

        # Apply data augmentation
        if self.hflip:
            image, labels, mask = random_hflip(image, labels, mask)

        return image, calib, labels, mask


def conv_bn(i, o, stride=1):
    return nn.Sequential(nn.Conv2d(i, o, 3, stride, 1, bias=False), nn.BatchNorm2d(o), nn.ReLU())


class MapNet(nn.Module):
    def __init__(self, num_class):
        super().__init__()
        self.stem = conv_bn(1, 16)
        self.down1 = conv_bn(16, 32, 2)
        self.down2 = nn.Sequential(conv_bn(32, 64, 2), conv_bn(64, 64))
        self.up1 = conv_bn(64 + 32, 32)
        self.up2 = conv_bn(32 + 16, 24)
        self.classifier = nn.Conv2d(24, num_class, 1)

    def forward(self, image, calib):
        a = self.stem(image)
        b = self.down1(a)
        c = self.down2(b)
        b = self.up1(torch.cat([F.interpolate(c, scale_factor=2), b], 1))
        a = self.up2(torch.cat([F.interpolate(b, scale_factor=2), a], 1))
        return self.classifier(a)


class OccupancyCriterion(nn.Module):
    def __init__(self, pos_weight):
        super().__init__()
        self.pos_weight = torch.full((NUM_CLASSES, 1, 1), pos_weight)

    def forward(self, logits, labels, mask):
        loss = F.binary_cross_entropy_with_logits(logits, labels.float(), reduction='none', pos_weight=self.pos_weight)
        keep = mask.unsqueeze(1).expand_as(loss).float()
        return (loss * keep).sum() / keep.sum()


def train(loader, model, criterion, optimiser, epoch):
    model.train()
    total = 0.0
    for image, calib, labels, mask in loader:
        logits = model(image, calib)
        loss = criterion(logits, labels, mask)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        total += loss.item()
    return total / len(loader)


@torch.no_grad()
def validate(loader, model):
    model.eval()
    inter, union = torch.zeros(NUM_CLASSES), torch.zeros(NUM_CLASSES)
    for image, calib, labels, mask in loader:
        pred = model(image, calib) > 0
        keep = mask.unsqueeze(1)
        inter += (pred & labels & keep).sum((0, 2, 3))
        union += ((pred | labels) & keep).sum((0, 2, 3))
    return (inter / union.clamp(min=1)).mean().item()


def main():
    digits = load_digits()
    glyphs, classes = (digits.images / 16.0).astype(np.float32), digits.target
    rng = np.random.RandomState(seed + 3)
    order = rng.permutation(len(glyphs))
    tr, va = order[:1300], order[1300:]
    train_data = AugmentedMapDataset(SignMapDataset(glyphs[tr], classes[tr], 1000, rng), hflip=True)
    val_data = SignMapDataset(glyphs[va], classes[va], 250, rng)
    train_loader = DataLoader(train_data, batch_size=16, shuffle=True)
    val_loader = DataLoader(val_data, batch_size=50)

    model = MapNet(NUM_CLASSES)
    criterion = OccupancyCriterion(pos_weight=2.0)
    optimiser = torch.optim.Adam(model.parameters(), lr=2e-3)
    num_epochs = 10
    scheduler = torch.optim.lr_scheduler.MultiStepLR(optimiser, [8], 0.1)
    for epoch in range(1, num_epochs + 1):
        loss = train(train_loader, model, criterion, optimiser, epoch)
        scheduler.step()
        print('epoch {:2d}  train loss {:.4f}  val mIoU {:.4f}'.format(epoch, loss, validate(val_loader, model)))
    return validate(val_loader, model)


if __name__ == '__main__':
    miou = main()
    print('RESULT ' + json.dumps({"metric": "val_mean_iou", "value": round(miou, 4)}))
