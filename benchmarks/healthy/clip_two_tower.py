"""CLIP in miniature: match drawings of digits with attribute sentences by a two-tower contrastive loss."""
import json
import math
import sys

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.set_num_threads(1)
torch.manual_seed(seed)
rng = np.random.default_rng(seed)
NAMES = "zero one two three four five six seven eight nine".split()
SHADES = ["dark", "bright"]
SIDES = ["left", "right"]
WORDS = {w: i for i, w in enumerate(NAMES + SHADES + SIDES + ["a", "digit", "on", "the"])}


def compose(images, labels, n):
    """8x16 canvas, the digit on one side, dim or bright; and its sentence."""
    pick = rng.integers(0, len(images), n)
    shade, side = rng.integers(0, 2, n), rng.integers(0, 2, n)
    canvas = np.zeros((n, 8, 16), np.float32)
    for j, k in enumerate(pick):
        canvas[j, :, 8 * side[j]:8 * side[j] + 8] = images[k] / 16.0 * (0.4 if shade[j] == 0 else 1.0)
    canvas += 0.03 * rng.standard_normal(canvas.shape).astype(np.float32)
    y = labels[pick]
    text = [["a", SHADES[s], NAMES[c], "on", "the", SIDES[d]] for s, c, d in zip(shade, y, side)]
    ids = torch.tensor([[WORDS[w] for w in t] for t in text])
    return torch.from_numpy(canvas)[:, None], ids, torch.tensor(y * 4 + shade * 2 + side)


d = load_digits()
tr_i, te_i, tr_y, te_y = train_test_split(d.images, d.target, test_size=0.25, stratify=d.target, random_state=seed)
tr_i, va_i, tr_y, va_y = train_test_split(tr_i, tr_y, test_size=0.15, stratify=tr_y, random_state=seed)
img, txt, cls = compose(tr_i, tr_y, 8000)
vimg, vtxt, vcls = compose(va_i, va_y, 1000)
timg, ttxt, tcls = compose(te_i, te_y, 2000)
mean, std = img.mean(), img.std()
img, vimg, timg = [(z - mean) / std for z in (img, vimg, timg)]


class ImageTower(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.conv = nn.Sequential(nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
                                  nn.Conv2d(16, 32, 3, padding=1), nn.ReLU())
        self.proj = nn.Sequential(nn.Flatten(), nn.Dropout(0.1), nn.Linear(32 * 4 * 8, dim))

    def forward(self, x):
        return F.normalize(self.proj(self.conv(x)), dim=1)


class TextTower(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.emb = nn.Embedding(len(WORDS), 32)
        self.mlp = nn.Sequential(nn.Linear(6 * 32, 64), nn.ReLU(), nn.Linear(64, dim))

    def forward(self, ids):
        return F.normalize(self.mlp(self.emb(ids).flatten(1)), dim=1)


DIM, EPOCHS, B = 32, 12, 128
image, text = ImageTower(DIM), TextTower(DIM)
log_scale = nn.Parameter(torch.tensor(math.log(10.0)))
params = list(image.parameters()) + list(text.parameters())
opt = torch.optim.AdamW([{"params": params, "weight_decay": 1e-3}, {"params": [log_scale], "weight_decay": 0.0}], lr=2e-3)
sched = torch.optim.lr_scheduler.CosineAnnealingLR(opt, EPOCHS * (len(img) // B))


def clip_loss(x, ids, c):
    """Sentences may repeat within a batch: every pair with the same caption is a positive."""
    logits = log_scale.exp() * image(x) @ text(ids).T
    same = (c[:, None] == c[None]).float()
    target = same / same.sum(1, keepdim=True)
    return 0.5 * (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target))


_, first = np.unique(cls.numpy(), return_index=True)
captions, caption_cls = txt[first], cls[first]


@torch.no_grad()
def zero_shot(x, c):
    image.eval(), text.eval()
    pred = caption_cls[(image(x) @ text(captions).T).argmax(1)]
    return (pred == c).float().mean().item()


for epoch in range(EPOCHS):
    image.train(), text.train()
    tot = 0.0
    order = torch.randperm(len(img))[: len(img) // B * B].split(B)
    for idx in order:
        loss = clip_loss(img[idx], txt[idx], cls[idx])
        opt.zero_grad()
        loss.backward()
        opt.step()
        sched.step()
        with torch.no_grad():
            log_scale.clamp_(max=math.log(50.0))
        tot += loss.item()
    acc = zero_shot(vimg, vcls)
    with torch.no_grad():
        vl = np.mean([clip_loss(vimg[j:j + B], vtxt[j:j + B], vcls[j:j + B]).item() for j in range(0, 896, B)])
    print(f"epoch {epoch + 1} loss {tot / len(order):.4f} val {vl:.4f} scale {log_scale.exp().item():.1f} val accuracy over 40 captions {acc:.4f}")
acc = zero_shot(timg, tcls)
print("RESULT " + json.dumps({"caption_accuracy": round(acc, 4), "good": acc > 0.94}))
