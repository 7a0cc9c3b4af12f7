import argparse
import json

import numpy as np
import torch
import torch.nn as nn

parser = argparse.ArgumentParser()
parser.add_argument("seed", nargs="?", type=int, default=0)
parser.add_argument("--scheduler", default="step")
parser.add_argument("--lr", type=float, default=2e-3)
parser.add_argument("--epochs", type=int, default=12)
parser.add_argument("-b", "--batch-size", type=int, default=32)
args = parser.parse_args()
torch.manual_seed(args.seed)
rng = np.random.RandomState(args.seed)


def scenes(n, size=16):
    img, depth = [], []
    for _ in range(n):
        slope, base = rng.uniform(0.2, 1.0), rng.uniform(0.2, 0.6)
        d = base + slope * np.linspace(0, 1, size)[:, None] * np.ones((1, size))
        r, c, s = rng.randint(0, size - 5), rng.randint(0, size - 5), rng.randint(3, 6)
        d[r:r + s, c:c + s] = rng.uniform(0.1, 0.3)
        img.append(np.exp(-d) + 0.03 * rng.normal(size=(size, size)))
        depth.append(d)
    return (torch.tensor(np.array(img), dtype=torch.float32).unsqueeze(1),
            torch.tensor(np.array(depth), dtype=torch.float32).unsqueeze(1))


train_img, train_depth = scenes(800)
val_img, val_depth = scenes(200)

disp_net = nn.Sequential(
    nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(inplace=True),
    nn.Conv2d(16, 16, 3, padding=1), nn.ReLU(inplace=True),
    nn.Conv2d(16, 1, 3, padding=1))
optimizer = torch.optim.Adam(disp_net.parameters(), args.lr)
scheduler = None
if args.scheduler == "step":
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=200, gamma=0.7)


def train(epoch):
    disp_net.train()
    losses = []
    order = torch.randperm(len(train_img))
    for k in range(0, len(order), args.batch_size):
        sel = order[k:k + args.batch_size]
        loss = (disp_net(train_img[sel]) - train_depth[sel]).abs().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if scheduler:
            scheduler.step()
        losses.append(loss.item())
    print(f"Epoch {epoch} lr {optimizer.param_groups[0]['lr']:.5f} train loss {np.mean(losses):.4f}")


def validate():
    disp_net.eval()
    with torch.no_grad():
        return (disp_net(val_img) - val_depth).abs().mean().item()


for epoch in range(args.epochs):
    train(epoch)
    err = validate()
    print(f"   val error {err:.4f}")
print("RESULT", json.dumps({"metric": "val_l1", "value": float(err)}))
