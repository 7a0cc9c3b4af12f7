import json
import random
import sys
import time
from collections import defaultdict

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

GRID = 16
CONFIG = dict(epochs=8, batch_size=16, lr=3e-3, n_train=400, n_val=150,
              loss_weights=(1.0, 1.0, 1.0, 1.0))


def set_seed(seed):
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def make_scene(rng):
    """Top-down feature image with a few vehicles plus the encoded ground truth maps."""
    ys, xs = np.mgrid[0:2 * GRID, 0:2 * GRID].astype(np.float32) / 2.0
    image = rng.normal(0, 0.05, (3, 2 * GRID, 2 * GRID)).astype(np.float32)
    score = np.zeros((1, GRID, GRID), np.float32)
    pos = np.zeros((2, GRID, GRID), np.float32)
    dim = np.zeros((2, GRID, GRID), np.float32)
    ang = np.zeros((2, GRID, GRID), np.float32)
    mask = np.zeros((1, GRID, GRID), np.float32)
    centres = []
    for _ in range(rng.integers(1, 4)):
        cx, cy = rng.uniform(3, GRID - 3, 2)
        if any((cx - a) ** 2 + (cy - b) ** 2 < 36 for a, b in centres):
            continue
        centres.append((cx, cy))
        length, width, theta = rng.uniform(2.5, 5.0), rng.uniform(1.2, 2.2), rng.uniform(-np.pi / 2, np.pi / 2)
        dx, dy = xs - cx, ys - cy
        u = dx * np.cos(theta) + dy * np.sin(theta)
        v = -dx * np.sin(theta) + dy * np.cos(theta)
        body = (np.abs(u) < length / 2) & (np.abs(v) < width / 2)
        image[0][body] += 1.0
        image[1][body & (u > 0)] += 1.0
        image[2][body] += 0.5
        gy, gx = np.mgrid[0:GRID, 0:GRID].astype(np.float32)
        d2 = (gx - cx) ** 2 + (gy - cy) ** 2
        score[0] = np.maximum(score[0], np.exp(-d2 / 2.0))
        near = d2 < 2.0
        mask[0][near] = 1
        pos[0][near], pos[1][near] = (cx - gx)[near], (cy - gy)[near]
        dim[0][near], dim[1][near] = np.log(length / 3.5), np.log(width / 1.6)
        ang[0][near], ang[1][near] = np.sin(2 * theta), np.cos(2 * theta)
    return image, score, pos, dim, ang, mask


def make_dataset(n, rng):
    return [torch.from_numpy(np.stack(t)) for t in zip(*[make_scene(rng) for _ in range(n)])]


class OftNet(nn.Module):
    def __init__(self, channels=24):
        super().__init__()

        def block(i, o, stride=1, dilation=1):
            return nn.Sequential(nn.Conv2d(i, o, 3, stride, dilation, dilation, bias=False),
                                 nn.BatchNorm2d(o), nn.ReLU(inplace=True))
        self.frontend = nn.Sequential(block(3, 16, stride=2), block(16, channels))
        self.topdown = nn.Sequential(block(channels, channels, dilation=2), block(channels, channels))
        self.head = nn.Conv2d(channels, 1 + 2 + 2 + 2, 3, padding=1)

    def forward(self, image):
        out = self.head(self.topdown(self.frontend(image)))
        return torch.split(out, [1, 2, 2, 2], dim=1)


def masked_l1(pred, target, mask):
    return (torch.abs(pred - target) * mask).sum() / mask.sum().clamp(min=1) / pred.size(1)


def compute_loss(pred_encoded, gt_encoded, loss_weights):
    score, pos_offsets, dim_offsets, ang_offsets = pred_encoded
    heatmaps, gt_pos, gt_dim, gt_ang, mask = gt_encoded
    score_weight, pos_weight, dim_weight, ang_weight = loss_weights

    score_loss = F.mse_loss(score, heatmaps) * 10
    pos_loss = masked_l1(pos_offsets, gt_pos, mask)
    dim_loss = masked_l1(dim_offsets, gt_dim, mask)
    ang_loss = masked_l1(ang_offsets, gt_ang, mask)

    total_loss = score_loss * score_weight + pos_loss * pos_weight \
        + dim_loss * dim_weight + ang_loss * ang_weight

    loss_dict = {
        'score': score_loss.item(), 'position': pos_loss.item(),
        'dimension': dim_loss.item(), 'angle': ang_loss.item(),
        'total': total_loss.item(),
    }
    return total_loss, loss_dict


def train(data, model, optimizer, scheduler, config, epoch):
    model.train()
    epoch_loss, n = defaultdict(float), 0
    perm = torch.randperm(len(data[0]))
    for idx in perm.split(config['batch_size']):
        image, *gt_encoded = [t[idx] for t in data]
        loss, loss_dict = compute_loss(model(image), gt_encoded, config['loss_weights'])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        for key, value in loss_dict.items():
            epoch_loss[key] += value
        n += 1
    scheduler.step()
    print('==> Training epoch {} complete'.format(epoch))
    for key, value in epoch_loss.items():
        print('{:10s}: {:.4e}'.format(key, value / n))


@torch.no_grad()
def validate(data, model):
    model.eval()
    image, heatmap, gt_pos, gt_dim, gt_ang, mask = data
    _, pos, dim, ang = model(image)
    centre = (heatmap == F.max_pool2d(heatmap, 3, 1, 1)).float() * (heatmap > 0.7) * mask
    size_err = masked_l1(dim.exp(), gt_dim.exp(), centre)
    pos_err = masked_l1(pos, gt_pos, centre)
    ang_err = masked_l1(ang, gt_ang, centre)
    return float(pos_err + size_err + ang_err)


def main():
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    set_seed(seed)
    rng = np.random.default_rng(seed)
    train_data = make_dataset(CONFIG['n_train'], rng)
    val_data = make_dataset(CONFIG['n_val'], rng)
    model = OftNet()
    optimizer = torch.optim.Adam(model.parameters(), CONFIG['lr'])
    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.9)
    start = time.time()
    for epoch in range(1, CONFIG['epochs'] + 1):
        train(train_data, model, optimizer, scheduler, CONFIG, epoch)
    print('training took {:.1f}s'.format(time.time() - start))
    print('RESULT ' + json.dumps({'box_error': validate(val_data, model)}))


if __name__ == '__main__':
    main()
