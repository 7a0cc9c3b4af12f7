# Full-Resolution Residual Network, small version, on toy street scenes.
from __future__ import print_function
import sys
import json
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

torch.set_num_threads(1)
NUM_CLASSES = 5


def get_default_param():
    return {
        'TRAIN_NUM': 260,
        'BATCH_SIZE': 3,
        'LEARNING_RATE': 0.001,
        'DECAY_VAL': 1.0,
        'DECAY_STEPS': 20000,
        'K': 32 * 48 // 4,
        'IM_SIZE': (32, 48),
        'SUMMARY_PERIOD': 40,
        'RANDOM_SEED': int(sys.argv[1]) if len(sys.argv) > 1 else 0,
    }


def make_scenes(n, size, rng):
    """sky, road, buildings, cars and poles"""
    h, w = size
    ims = np.zeros((n, h, w, 3), np.float32)
    lbs = np.zeros((n, h, w), np.int64)
    colours = np.array([[150, 180, 220], [100, 90, 100], [120, 100, 80], [170, 50, 60], [70, 70, 60]], np.float32)
    for i in range(n):
        horizon = rng.randint(h // 3, h // 2 + 4)
        lb = np.zeros((h, w), np.int64)
        lb[horizon:] = 1
        for _ in range(rng.randint(1, 4)):
            x, bw, bh = rng.randint(0, w - 8), rng.randint(6, 16), rng.randint(5, horizon)
            lb[horizon - bh:horizon, x:x + bw] = 2
        for _ in range(rng.randint(1, 4)):
            x, y = rng.randint(0, w - 9), rng.randint(horizon, h - 5)
            lb[y:y + 5, x:x + 9] = 3
        for _ in range(rng.randint(0, 3)):
            x = rng.randint(1, w - 3)
            lb[horizon - 8:horizon + 4, x:x + 2] = 4
        jitter = rng.normal(0, 18, size=(NUM_CLASSES, 3))
        im = (colours + jitter)[lb] + rng.normal(0, 22, size=(h, w, 3))
        ims[i] = im / 255.0
        lbs[i] = lb
    return torch.from_numpy(ims).permute(0, 3, 1, 2).contiguous(), torch.from_numpy(lbs)


UPDATE_OPS = []   # (variable, new value) pairs produced by the forward pass


class BatchNorm(nn.Module):
    def __init__(self, dims, epsilon=1e-3, momentum=0.95):
        super().__init__()
        self.momentum = momentum
        self.epsilon = epsilon
        self.gamma = nn.Parameter(torch.ones(dims))
        self.beta = nn.Parameter(torch.zeros(dims))
        self.register_buffer('moving_mean', torch.zeros(dims))
        self.register_buffer('moving_variance', torch.ones(dims))

    def forward(self, t):
        if self.training:
            mean = t.mean(dim=(0, 2, 3))
            var = t.var(dim=(0, 2, 3), unbiased=False)
            m = self.momentum
            UPDATE_OPS.append((self.moving_mean, (m * self.moving_mean + (1 - m) * mean).detach()))
            UPDATE_OPS.append((self.moving_variance, (m * self.moving_variance + (1 - m) * var).detach()))
        else:
            mean, var = self.moving_mean, self.moving_variance
        t = (t - mean[None, :, None, None]) * torch.rsqrt(var + self.epsilon)[None, :, None, None]
        return t * self.gamma[None, :, None, None] + self.beta[None, :, None, None]


def run_update_ops():
    for var, value in UPDATE_OPS:
        var.copy_(value)


def Conv2d(i, o, k):
    return nn.Conv2d(i, o, k, padding=k // 2)


class RU(nn.Module):
    def __init__(self, ch):
        super().__init__()
        self.conv3_1, self.bn_1 = Conv2d(ch, ch, 3), BatchNorm(ch)
        self.conv3_2, self.bn_2 = Conv2d(ch, ch, 3), BatchNorm(ch)

    def forward(self, t):
        return t + self.bn_2(self.conv3_2(F.relu(self.bn_1(self.conv3_1(t)))))


class FRRU(nn.Module):
    def __init__(self, prev_ch, ch, z_ch, scale):
        super().__init__()
        self.scale = scale
        self.conv3_1, self.bn_1 = Conv2d(prev_ch + z_ch, ch, 3), BatchNorm(ch)
        self.conv3_2, self.bn_2 = Conv2d(ch, ch, 3), BatchNorm(ch)
        self.conv1 = Conv2d(ch, z_ch, 1)

    def forward(self, y, z):
        t = torch.cat([y, F.max_pool2d(z, self.scale)], 1)
        t = F.relu(self.bn_1(self.conv3_1(t)))
        y = F.relu(self.bn_2(self.conv3_2(t)))
        z = z + F.interpolate(self.conv1(y), scale_factor=self.scale, mode='nearest')
        return y, z


class FRRN(nn.Module):
    def __init__(self, num_classes, base=12, z_ch=8):
        super().__init__()
        self.first, self.first_bn = Conv2d(3, base, 5), BatchNorm(base)
        self.ru_in = RU(base)
        self.split = Conv2d(base, z_ch, 1)
        self.enc2 = FRRU(base, base * 2, z_ch, 2)
        self.enc4 = FRRU(base * 2, base * 4, z_ch, 4)
        self.dec2 = FRRU(base * 4, base * 2, z_ch, 2)
        self.concat = Conv2d(base * 2 + z_ch, base, 1)
        self.ru_out = RU(base)
        self.classify = Conv2d(base, num_classes, 1)

    def forward(self, im):
        t = F.relu(self.first_bn(self.first(im)))
        t = self.ru_in(t)
        y, z = t, self.split(t)
        y, z = self.enc2(F.max_pool2d(y, 2), z)
        y, z = self.enc4(F.max_pool2d(y, 2), z)
        y, z = self.dec2(F.interpolate(y, scale_factor=2, mode='bilinear', align_corners=False), z)
        y = F.interpolate(y, scale_factor=2, mode='bilinear', align_corners=False)
        t = self.ru_out(self.concat(torch.cat([y, z], 1)))
        return self.classify(t)


def bootstrapped_loss(logits, gt, K):
    naive = F.cross_entropy(logits, gt, reduction='none').flatten(1)
    return naive.topk(K, dim=1, sorted=False)[0].mean()


def mean_iou(pred, gt):
    ious = []
    for c in range(NUM_CLASSES):
        inter = ((pred == c) & (gt == c)).sum().item()
        union = ((pred == c) | (gt == c)).sum().item()
        if union:
            ious.append(inter / union)
    return float(np.mean(ious))


def evaluate(net, ims, lbs):
    net.eval()
    with torch.no_grad():
        preds = torch.cat([net(b).argmax(1) for b in ims.split(20)])
    net.train()
    return mean_iou(preds, lbs)


def main(TRAIN_NUM, BATCH_SIZE, LEARNING_RATE, DECAY_VAL, DECAY_STEPS, K, IM_SIZE, SUMMARY_PERIOD, RANDOM_SEED):
    rng = np.random.RandomState(RANDOM_SEED)
    torch.manual_seed(RANDOM_SEED)
    ims, lbs = make_scenes(300, IM_SIZE, rng)
    val_ims, val_lbs = make_scenes(80, IM_SIZE, rng)

    net = FRRN(NUM_CLASSES)
    optimizer = torch.optim.Adam(net.parameters(), lr=LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda s: DECAY_VAL ** (s / DECAY_STEPS))

    net.train()
    for step in range(TRAIN_NUM):
        idx = torch.from_numpy(rng.choice(len(ims), BATCH_SIZE, replace=False))
        del UPDATE_OPS[:]
        logits = net(ims[idx])
        loss = bootstrapped_loss(logits, lbs[idx], K)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        run_update_ops()
        schedule.step()
        if step % SUMMARY_PERIOD == 0:
            print('[%5d] Loss: %1.3f  batch mIoU: %1.3f' % (step, loss.item(), mean_iou(logits.argmax(1), lbs[idx])))

    return evaluate(net, val_ims, val_lbs)


if __name__ == "__main__":
    miou = main(**get_default_param())
    print('validation mIoU %.4f' % miou)
    print('RESULT ' + json.dumps({"metric": "val_mean_iou", "value": round(miou, 4)}))
