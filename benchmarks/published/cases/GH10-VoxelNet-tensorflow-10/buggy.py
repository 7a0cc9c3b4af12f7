import json
import random
import sys

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F


class cfg:
    H = W = 24
    OUT = 12
    VOXEL = 2.0
    ANCHOR_L = 4.0
    ANCHOR_W = 1.8
    BATCH = 10
    EPOCHS = 8
    LR = 2e-3
    ALPHA = 1.5
    BETA = 1.0


def sample_frame(rng):
    """Bird's eye view statistics of a point cloud and the anchor targets."""
    feat = np.zeros((3, cfg.H, cfg.W), np.float32)
    prob = np.zeros((1, cfg.OUT, cfg.OUT), np.float32)
    reg = np.zeros((5, cfg.OUT, cfg.OUT), np.float32)
    boxes = []
    for _ in range(rng.integers(1, 4)):
        x, y = rng.uniform(4, cfg.W - 4, 2)
        if any(abs(x - b[0]) < 6 and abs(y - b[1]) < 6 for b in boxes):
            continue
        l, w, h = rng.uniform(3.0, 5.5), rng.uniform(1.4, 2.6), rng.uniform(1.2, 2.0)
        r = rng.uniform(-0.7, 0.7)
        boxes.append((x, y))
        n = 150
        u, v = rng.uniform(-l / 2, l / 2, n), rng.uniform(-w / 2, w / 2, n)
        px = x + u * np.cos(r) - v * np.sin(r)
        py = y + u * np.sin(r) + v * np.cos(r)
        pz = rng.uniform(0, h, n)
        for a, b, c in zip(px, py, pz):
            i, j = int(b), int(a)
            if 0 <= i < cfg.H and 0 <= j < cfg.W:
                feat[0, i, j] += 0.05
                feat[1, i, j] = max(feat[1, i, j], c)
                feat[2, i, j] = 1.0
        ci, cj = int(y / cfg.VOXEL), int(x / cfg.VOXEL)
        ax, ay = (cj + 0.5) * cfg.VOXEL, (ci + 0.5) * cfg.VOXEL
        prob[0, ci, cj] = 1
        reg[:, ci, cj] = ((x - ax) / cfg.VOXEL, (y - ay) / cfg.VOXEL,
                          np.log(l / cfg.ANCHOR_L), np.log(w / cfg.ANCHOR_W), r)
    feat[0] += np.abs(rng.normal(0, 0.02, (cfg.H, cfg.W)))
    return feat, prob, reg


class ConvMD(nn.Module):
    def __init__(self, cin, cout, k, s, p, bn=True, activation=True):
        super().__init__()
        self.conv = nn.Conv2d(cin, cout, k, s, p)
        self.bn = nn.BatchNorm2d(cout) if bn else None
        self.activation = activation

    def forward(self, x):
        x = self.conv(x)
        if self.bn is not None:
            x = self.bn(x)
        return F.relu(x) if self.activation else x


class MiddleAndRPN(nn.Module):
    def __init__(self):
        super().__init__()
        self.block1 = nn.Sequential(ConvMD(3, 16, 3, 1, 1), ConvMD(16, 24, 3, 2, 1), ConvMD(24, 24, 3, 1, 1))
        self.block2 = nn.Sequential(ConvMD(24, 32, 3, 2, 1), ConvMD(32, 32, 3, 1, 1))
        self.deconv2 = nn.ConvTranspose2d(32, 24, 2, 2)
        self.prob_conv = ConvMD(48, 1, 1, 1, 0, bn=False)
        self.reg_conv = ConvMD(48, 5, 1, 1, 0, bn=False)

    def forward(self, x):
        a = self.block1(x)
        b = F.relu(self.deconv2(self.block2(a)))
        h = torch.cat([a, b], dim=1)
        return self.prob_conv(h), self.reg_conv(h)


def rpn_loss(p_map, r_map, prob, reg):
    p = torch.sigmoid(p_map).clamp(1e-6, 1 - 1e-6)
    pos, neg = prob, 1 - prob
    cls_pos = -(pos * torch.log(p)).sum() / (pos.sum() + 1e-6)
    cls_neg = -(neg * torch.log(1 - p)).sum() / (neg.sum() + 1e-6)
    reg_loss = (F.smooth_l1_loss(r_map, reg, reduction='none', beta=1 / 9) * pos).sum() / (pos.sum() + 1e-6)
    return cfg.ALPHA * cls_pos + cfg.BETA * cls_neg + reg_loss, cls_pos, cls_neg, reg_loss


@torch.no_grad()
def evaluate(model, feat, prob, reg):
    model.eval()
    _, r_map = model(feat)
    l_err = (r_map - reg).abs().sum(1, keepdim=True)
    return ((l_err * prob).sum() / prob.sum()).item()


def main():
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    frames = [sample_frame(rng) for _ in range(500)]
    feat, prob, reg = [torch.from_numpy(np.stack(t)) for t in zip(*frames)]
    n_train = 400

    model = MiddleAndRPN()
    optimizer = torch.optim.Adam(model.parameters(), lr=cfg.LR)
    scheduler = torch.optim.lr_scheduler.MultiStepLR(optimizer, milestones=[6], gamma=0.2)
    for epoch in range(cfg.EPOCHS):
        model.train()
        for idx in torch.randperm(n_train).split(cfg.BATCH):
            p_map, r_map = model(feat[idx])
            loss, cls_pos, cls_neg, reg_loss = rpn_loss(p_map, r_map, prob[idx], reg[idx])
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 5.0)
            optimizer.step()
        scheduler.step()
        print('train: {} loss: {:.4f} reg_loss: {:.4f} cls_pos: {:.4f} cls_neg: {:.4f}'.format(
            epoch, loss.item(), reg_loss.item(), cls_pos.item(), cls_neg.item()))
    err = evaluate(model, feat[n_train:], prob[n_train:], reg[n_train:])
    print('RESULT ' + json.dumps({'box_residual_error': err}))


if __name__ == '__main__':
    main()
