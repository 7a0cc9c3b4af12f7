"""Top-down keypoint heatmaps with a small plain ViT (ViTPose style), synthetic stick figures."""
import sys
import json
import numpy as np
import torch
import torch.nn as nn
from torch.optim import AdamW
from torch.optim.lr_scheduler import LambdaLR, MultiStepLR
from torch.nn.utils import clip_grad_norm_
from torch.utils.data import Dataset, DataLoader

SEED = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(SEED)
np.random.seed(SEED)
torch.set_num_threads(1)

CFG = dict(
    image_size=24, heatmap_size=12, num_joints=3, sigma=1.0,
    embed_dim=32, depth=2, num_heads=4, patch=4,
    samples_per_gpu=32, total_epochs=24,
    optimizer=dict(lr=3e-3, betas=(0.9, 0.999), weight_decay=0.1, layer_decay_rate=0.75),
    lr_config=dict(warmup_iters=12, warmup_ratio=0.001, step=[18, 22]),
    grad_clip=dict(max_norm=1.0, norm_type=2),
)


class StickFigures(Dataset):
    """head (round), hand (square) and foot (cross) on a noisy background, joined by a thin line"""

    def __init__(self, n, rng):
        S, H, J = CFG['image_size'], CFG['heatmap_size'], CFG['num_joints']
        yy, xx = np.mgrid[0:S, 0:S]
        hy, hx = np.mgrid[0:H, 0:H]
        self.images = np.zeros((n, 3, S, S), np.float32)
        self.targets = np.zeros((n, J, H, H), np.float32)
        self.joints = np.zeros((n, J, 2), np.float32)
        for i in range(n):
            img = rng.normal(0.0, 0.1, size=(3, S, S))
            pts = rng.uniform(3, S - 3, size=(J, 2))
            for a, b in ((0, 1), (0, 2)):
                for t in np.linspace(0, 1, 20):
                    p = pts[a] * (1 - t) + pts[b] * t
                    img[:, int(p[1]), int(p[0])] += 0.6
            col = rng.uniform(0.7, 1.3, size=(3, 1))
            x, y = pts[0]
            img[:, (xx - x) ** 2 + (yy - y) ** 2 <= 7] = col * 1.5
            x, y = pts[1]
            img[:, (abs(xx - x) <= 2) & (abs(yy - y) <= 2)] = -col * 1.3
            x, y = pts[2]
            cross = ((abs(xx - x) <= 3) & (abs(yy - y) <= 0.7)) | ((abs(yy - y) <= 3) & (abs(xx - x) <= 0.7))
            img[:, cross] = col * 2.0
            self.images[i] = img
            self.joints[i] = pts / 2.0
            for j in range(J):
                jx, jy = self.joints[i, j]
                self.targets[i, j] = np.exp(-((hx - jx) ** 2 + (hy - jy) ** 2) / (2 * CFG['sigma'] ** 2))
        self.weights = np.ones((n, J, 1), np.float32)

    def __len__(self):
        return len(self.images)

    def __getitem__(self, i):
        return self.images[i], self.targets[i], self.weights[i], self.joints[i]


class Block(nn.Module):
    def __init__(self, dim, heads):
        super().__init__()
        self.norm1 = nn.LayerNorm(dim)
        self.attn = nn.MultiheadAttention(dim, heads, batch_first=True)
        self.norm2 = nn.LayerNorm(dim)
        self.mlp = nn.Sequential(nn.Linear(dim, dim * 4), nn.GELU(), nn.Linear(dim * 4, dim))

    def forward(self, x):
        h = self.norm1(x)
        x = x + self.attn(h, h, h, need_weights=False)[0]
        return x + self.mlp(self.norm2(x))


class ViT(nn.Module):
    def __init__(self):
        super().__init__()
        d, p = CFG['embed_dim'], CFG['patch']
        self.n = CFG['image_size'] // p
        self.patch_embed = nn.Conv2d(3, d, p, p)
        self.pos_embed = nn.Parameter(torch.zeros(1, self.n * self.n, d))
        nn.init.trunc_normal_(self.pos_embed, std=0.02)
        self.blocks = nn.ModuleList([Block(d, CFG['num_heads']) for _ in range(CFG['depth'])])
        self.last_norm = nn.LayerNorm(d)

    def forward(self, x):
        x = self.patch_embed(x).flatten(2).transpose(1, 2) + self.pos_embed
        for blk in self.blocks:
            x = blk(x)
        x = self.last_norm(x)
        return x.transpose(1, 2).reshape(x.size(0), -1, self.n, self.n)


class TopdownHeatmapSimpleHead(nn.Module):
    def __init__(self, in_channels, out_channels):
        super().__init__()
        self.deconv = nn.Sequential(
            nn.ConvTranspose2d(in_channels, 32, 4, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(32), nn.ReLU(inplace=True))
        self.final_layer = nn.Conv2d(32, out_channels, 1)

    def forward(self, x):
        return self.final_layer(self.deconv(x))


class ViTPose(nn.Module):
    def __init__(self):
        super().__init__()
        self.backbone = ViT()
        self.keypoint_head = TopdownHeatmapSimpleHead(CFG['embed_dim'], CFG['num_joints'])

    def forward(self, x):
        return self.keypoint_head(self.backbone(x))


class JointsMSELoss(nn.Module):
    def __init__(self, use_target_weight=True):
        super().__init__()
        self.criterion = nn.MSELoss()
        self.use_target_weight = use_target_weight

    def forward(self, output, target, target_weight):
        B, J = output.shape[:2]
        pred = output.reshape(B, J, -1)
        gt = target.reshape(B, J, -1)
        if self.use_target_weight:
            pred, gt = pred * target_weight, gt * target_weight
        return self.criterion(pred, gt)


class LayerDecayOptimizer:
    def __init__(self, optimizer, layerwise_decay_rate):
        self.optimizer = optimizer
        self.layerwise_decay_rate = layerwise_decay_rate
        self.param_groups = optimizer.param_groups
        for i, group in enumerate(self.optimizer.param_groups):
            group['lr'] *= layerwise_decay_rate[i]

    def step(self, *args, **kwargs):
        self.optimizer.step(*args, **kwargs)

    def zero_grad(self, *args, **kwargs):
        self.optimizer.zero_grad(*args, **kwargs)


def keypoints_from_heatmaps(hm):
    B, J, H, W = hm.shape
    idx = hm.reshape(B, J, -1).argmax(-1)
    return torch.stack([idx % W, torch.div(idx, W, rounding_mode='floor')], -1).float()


@torch.no_grad()
def evaluate(model, loader, thr=1.2):
    model.eval()
    hit, tot = 0, 0
    for images, _, _, joints in loader:
        d = (keypoints_from_heatmaps(model(images)) - joints).norm(dim=-1)
        hit += (d < thr).sum().item()
        tot += d.numel()
    return hit / tot


def main():
    rng = np.random.RandomState(1000 + SEED)
    train_set, val_set = StickFigures(800, rng), StickFigures(300, rng)
    train_loader = DataLoader(train_set, batch_size=CFG['samples_per_gpu'], shuffle=True, drop_last=True)
    val_loader = DataLoader(val_set, batch_size=100)

    model = ViTPose()
    criterion = JointsMSELoss()
    ocfg = CFG['optimizer']
    optimizer = AdamW(model.parameters(), lr=ocfg['lr'], betas=ocfg['betas'], weight_decay=ocfg['weight_decay'])
    lr_mult = [ocfg['layer_decay_rate']] * len(optimizer.param_groups)
    layerwise_optimizer = LayerDecayOptimizer(optimizer, lr_mult)

    scheduler = MultiStepLR(optimizer, CFG['lr_config']['step'], 0.1)
    num_warmup_steps = CFG['lr_config']['warmup_iters']
    warmup_factor = CFG['lr_config']['warmup_ratio']
    warmup_scheduler = LambdaLR(
        optimizer, lr_lambda=lambda s: warmup_factor + (1.0 - warmup_factor) * s / num_warmup_steps)

    global_step = 0
    for epoch in range(CFG['total_epochs']):
        model.train()
        total_loss = 0.0
        for images, targets, target_weights, _ in train_loader:
            layerwise_optimizer.zero_grad()
            loss = criterion(model(images), targets, target_weights)
            loss.backward()
            clip_grad_norm_(model.parameters(), **CFG['grad_clip'])
            layerwise_optimizer.step()
            if global_step < num_warmup_steps:
                warmup_scheduler.step()
            global_step += 1
            total_loss += loss.item()
        scheduler.step()
        print(f"[Summary] Epoch [{epoch:03d}/{CFG['total_epochs']:03d}] | Average Loss "
              f"{total_loss / len(train_loader):.4f} | PCK {evaluate(model, val_loader):.3f}")
    return evaluate(model, val_loader)


if __name__ == '__main__':
    pck = main()
    print("RESULT " + json.dumps({"metric": "val_pck", "value": round(pck, 4)}))
