# Reads single characters cut from number plates. Network and training settings follow a darknet cfg.
import sys
import json
import os
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from PIL import Image, ImageDraw, ImageFont
import matplotlib

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
np.random.seed(seed)
torch.manual_seed(seed)
torch.set_num_threads(1)

NAMES = list("LJbdpqESZ25KNM")
SIZE = 20

net_cfg = dict(batch=64, learning_rate=0.02, momentum=0.9, decay=0.0005,
               angle=5, exposure=1.5, flip=0, max_batches=420)

FONT_DIR = os.path.join(os.path.dirname(matplotlib.__file__), "mpl-data", "fonts", "ttf")
FONTS = [os.path.join(FONT_DIR, f) for f in
         ("DejaVuSans.ttf", "DejaVuSans-Bold.ttf", "DejaVuSansMono.ttf", "DejaVuSerif.ttf")]


def render(n, rng):
    fonts = [ImageFont.truetype(f, s) for f in FONTS for s in (13, 14, 15, 16)]
    x = np.zeros((n, 1, SIZE, SIZE), dtype=np.float32)
    y = rng.randint(0, len(NAMES), n)
    for i in range(n):
        im = Image.new("L", (SIZE, SIZE), 0)
        ImageDraw.Draw(im).text((SIZE / 2 + rng.uniform(-2, 2), SIZE / 2 + rng.uniform(-2, 2)), NAMES[y[i]],
                                fill=255, font=fonts[rng.randint(len(fonts))], anchor="mm")
        a = np.asarray(im, dtype=np.float32) / 255.0
        x[i, 0] = (a * rng.uniform(0.5, 1.0) + rng.normal(0, 0.15, a.shape)).clip(0, 1)
    return torch.from_numpy(x), torch.from_numpy(y)


def augment(x, cfg):
    n = len(x)
    # rotation by a few degrees
    a = (torch.rand(n) * 2 - 1) * cfg["angle"] * np.pi / 180
    theta = torch.stack([torch.stack([a.cos(), -a.sin(), torch.zeros(n)], 1),
                         torch.stack([a.sin(), a.cos(), torch.zeros(n)], 1)], 1)
    x = F.grid_sample(x, F.affine_grid(theta, list(x.shape), align_corners=False), align_corners=False)
    # exposure
    e = torch.exp((torch.rand(n, 1, 1, 1) * 2 - 1) * np.log(cfg["exposure"]))
    x = (x * e).clamp(0, 1)
    if cfg["flip"]:
        mirror = torch.rand(n) < 0.5
        x[mirror] = x[mirror].flip(-1)
    return x


def conv(ci, co, size=3):
    return nn.Sequential(nn.Conv2d(ci, co, size, padding=size // 2, bias=False),
                         nn.BatchNorm2d(co), nn.LeakyReLU(0.1))


network = nn.Sequential(
    conv(1, 12), nn.MaxPool2d(2),
    conv(12, 24), nn.MaxPool2d(2),
    conv(24, 48), conv(48, 24, 1),
    nn.Flatten(), nn.Linear(24 * 25, len(NAMES)))

rng = np.random.RandomState(seed)
x_train, y_train = render(2500, rng)
x_valid, y_valid = render(1000, rng)

opt = torch.optim.SGD(network.parameters(), lr=net_cfg["learning_rate"],
                      momentum=net_cfg["momentum"], weight_decay=net_cfg["decay"])
sched = torch.optim.lr_scheduler.LambdaLR(opt, lambda i: (1 - i / net_cfg["max_batches"]) ** 2)
avg = None
network.train()
for i in range(net_cfg["max_batches"]):
    idx = torch.randint(0, len(x_train), (net_cfg["batch"],))
    loss = F.cross_entropy(network(augment(x_train[idx].clone(), net_cfg)), y_train[idx])
    opt.zero_grad()
    loss.backward()
    opt.step()
    sched.step()
    avg = loss.item() if avg is None else avg * 0.9 + loss.item() * 0.1
    if (i + 1) % 60 == 0:
        print("%d: %.4f, %.4f avg, %.5f rate" % (i + 1, loss.item(), avg, sched.get_last_lr()[0]))

network.eval()
with torch.no_grad():
    pred = network(x_valid).argmax(1)
for k, name in enumerate(NAMES):
    m = y_valid == k
    wrong = pred[m & (pred != y_valid)]
    worst = NAMES[int(wrong.mode()[0])] if len(wrong) else "-"
    print("%s  %.3f  mostly taken for %s" % (name, (pred[m] == k).float().mean(), worst))
top1 = (pred == y_valid).float().mean().item()
print("RESULT " + json.dumps({"metric": "valid_top1", "value": round(top1, 4)}))
