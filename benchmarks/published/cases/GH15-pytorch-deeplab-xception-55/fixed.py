import argparse
import json

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

torch.set_num_threads(1)


class SegmentationLosses(object):
    def __init__(self, weight=None, size_average=True, batch_average=True, ignore_index=255):
        self.ignore_index = ignore_index
        self.weight = weight
        self.size_average = size_average
        self.batch_average = batch_average

    def build_loss(self, mode='ce'):
        if mode == 'ce':
            return self.CrossEntropyLoss
        raise NotImplementedError

    def CrossEntropyLoss(self, logit, target):
        n, c, h, w = logit.size()
        criterion = nn.CrossEntropyLoss(weight=self.weight, ignore_index=self.ignore_index,
                                        reduction='mean' if self.size_average else 'sum')
        loss = criterion(logit, target.long())
        if self.batch_average:
            loss /= n
        return loss


class ConvBN(nn.Sequential):
    def __init__(self, i, o, dilation=1, stride=1):
        super().__init__(nn.Conv2d(i, o, 3, stride, dilation, dilation=dilation, bias=False), nn.BatchNorm2d(o), nn.ReLU())


class DeepLab(nn.Module):
    def __init__(self, num_classes):
        super().__init__()
        self.low = ConvBN(3, 16)
        self.backbone = nn.Sequential(ConvBN(16, 24, stride=2), ConvBN(24, 32))
        self.aspp1 = ConvBN(32, 16, 1)
        self.aspp2 = ConvBN(32, 16, 3)
        self.last_conv = nn.Sequential(ConvBN(48, 24), nn.Conv2d(24, num_classes, 1))

    def forward(self, x):
        low = self.low(x)
        y = self.backbone(low)
        y = torch.cat([self.aspp1(y), self.aspp2(y)], 1)
        y = F.interpolate(y, size=low.shape[2:], mode='bilinear', align_corners=True)
        return self.last_conv(torch.cat([y, low], 1))


class LR_Scheduler(object):
    """poly: lr = base_lr * (1 - iter/maxiter) ^ 0.9"""

    def __init__(self, base_lr, num_epochs, iters_per_epoch):
        self.lr, self.N, self.iters = base_lr, num_epochs * iters_per_epoch, iters_per_epoch

    def __call__(self, optimizer, i, epoch):
        lr = self.lr * pow(1 - (epoch * self.iters + i) / self.N, 0.9)
        for g in optimizer.param_groups:
            g['lr'] = lr


def make_voc(n, seed, size=24):
    """shapes (disc, square, cross, ring) over stripes, with a void border around each object"""
    rng = np.random.default_rng(seed)
    yy, xx = np.mgrid[0:size, 0:size]
    img = np.zeros((n, 3, size, size), np.float32)
    lab = np.zeros((n, size, size), np.int64)
    for i in range(n):
        img[i] = rng.uniform(-0.5, 0.5, (3, 1, 1)) + 0.2 * np.sin(xx * rng.uniform(0.3, 1))[None]
        k, cy, cx, r = rng.integers(1, 5), rng.integers(6, size - 6), rng.integers(6, size - 6), rng.uniform(5, 7)
        dy, dx = abs(yy - cy), abs(xx - cx)
        d2 = dy ** 2 + dx ** 2
        m = [d2 < r * r, np.maximum(dy, dx) < r * 0.85,
             (np.minimum(dy, dx) < r * 0.3) & (np.maximum(dy, dx) < r), (d2 < r * r) & (d2 > (0.5 * r) ** 2)][k - 1]
        img[i][:, m] = rng.uniform(-1.5, 1.5, (3, 1))
        lab[i][m] = k
        img[i] += rng.normal(0, 0.08, (3, size, size))
    lab[:, 0, :] = 255
    return torch.from_numpy(img), torch.from_numpy(lab)


class Trainer(object):
    def __init__(self, args):
        self.args = args
        self.train, self.val = make_voc(704, args.seed), make_voc(200, 900 + args.seed)
        self.model = DeepLab(5)
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=args.lr, momentum=0.9, weight_decay=5e-4)
        self.criterion = SegmentationLosses(batch_average=False).build_loss('ce')
        self.scheduler = LR_Scheduler(args.lr, args.epochs, len(self.train[0]) // args.batch_size)

    def training(self, epoch):
        self.model.train()
        perm = torch.randperm(len(self.train[0]))
        total = 0.0
        for i in range(len(perm) // self.args.batch_size):
            idx = perm[i * self.args.batch_size:(i + 1) * self.args.batch_size]
            self.scheduler(self.optimizer, i, epoch)
            self.optimizer.zero_grad()
            loss = self.criterion(self.model(self.train[0][idx]), self.train[1][idx])
            loss.backward()
            self.optimizer.step()
            total += loss.item()
        print('[Epoch: %d] Loss: %.3f' % (epoch, total))

    def validation(self):
        self.model.eval()
        with torch.no_grad():
            pred = torch.cat([self.model(x).argmax(1) for x in self.val[0].split(50)])
        keep = self.val[1] != 255
        ious = []
        for c in range(5):
            a, b = (pred == c) & keep, self.val[1] == c
            ious.append((a & b).sum().item() / max((a | b).sum().item(), 1))
        print('mIoU:%.4f  per class %s' % (np.mean(ious), np.round(ious, 3)))
        return float(np.mean(ious))


if __name__ == '__main__':
    parser = argparse.ArgumentParser(description="PyTorch DeeplabV3Plus Training")
    parser.add_argument('seed', type=int, nargs='?', default=0)
    parser.add_argument('--lr', type=float, default=0.1)
    parser.add_argument('--epochs', type=int, default=12)
    parser.add_argument('--batch-size', type=int, default=16)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    trainer = Trainer(args)
    for epoch in range(args.epochs):
        trainer.training(epoch)
        if epoch % 4 == 3:
            miou = trainer.validation()
    print('RESULT ' + json.dumps({"metric": "val_miou", "value": miou}))
