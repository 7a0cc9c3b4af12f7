"""Prototypical networks (Snell et al. 2017) on hand-made glyphs; tested on glyph classes never seen in training."""
import json
import sys

import numpy as np
import torch
import torch.nn as nn

SEED = int(sys.argv[1]) if len(sys.argv) > 1 else 0
SIZE, PER_CLASS = 20, 20
WAY, SHOT, QUERY = 20, 3, 5


def make_glyphs(n_classes, rng):
    """A class is three quadratic strokes; an instance moves the control points and the whole drawing a little."""
    control = rng.uniform(-0.75, 0.75, (n_classes, 1, 3, 3, 2)) + rng.normal(0, 0.10, (n_classes, PER_CLASS, 3, 3, 2))
    ang = rng.normal(0, 0.15, (n_classes, PER_CLASS))
    rot = np.stack([np.stack([np.cos(ang), -np.sin(ang)], -1), np.stack([np.sin(ang), np.cos(ang)], -1)], -2)
    control = np.einsum("ciskd,cide->ciske", control, rot) + rng.normal(0, 0.08, (n_classes, PER_CLASS, 1, 1, 2))
    s = np.linspace(0, 1, 9)
    weights = np.stack([(1 - s) ** 2, 2 * s * (1 - s), s ** 2], 1)
    pts = np.einsum("pk,ciskd->cispd", weights, control).reshape(n_classes, PER_CLASS, -1, 2)
    axis = np.linspace(-1, 1, SIZE)
    gx, gy = np.exp(-0.5 * ((pts[..., :1] - axis) / 0.09) ** 2), np.exp(-0.5 * ((pts[..., 1:] - axis) / 0.09) ** 2)
    ink = np.clip(np.einsum("cipy,cipx->ciyx", gy, gx), 0, 1)
    return torch.tensor((ink - 0.2) / 0.35, dtype=torch.float32).unsqueeze(2)


class Embed(nn.Module):
    def __init__(self, width=24):
        super().__init__()
        layers, cin = [], 1
        for _ in range(3):
            layers += [nn.Conv2d(cin, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU(), nn.MaxPool2d(2)]
            cin = width
        self.net = nn.Sequential(*layers, nn.Flatten())

    def forward(self, x):
        return self.net(x)


def sample_episode(pool):
    classes = torch.randperm(len(pool))[:WAY]
    picks = torch.stack([torch.randperm(PER_CLASS)[:SHOT + QUERY] for _ in range(WAY)])
    images = pool[classes[:, None], picks]
    return images[:, :SHOT], images[:, SHOT:]


def episode_logits(embed, support, query):
    flat = torch.cat([support.flatten(0, 1), query.flatten(0, 1)])
    z = embed(flat)
    protos = z[:WAY * SHOT].view(WAY, SHOT, -1).mean(1)
    q = z[WAY * SHOT:]
    d2 = ((q[:, None] - protos[None]) ** 2).sum(-1)
    return -d2 / q.shape[1] ** 0.5


TARGET = torch.arange(WAY).repeat_interleave(QUERY)


def test(embed, pool, episodes=60):
    with torch.no_grad():
        hits = [(episode_logits(embed, *sample_episode(pool)).argmax(1) == TARGET).float().mean() for _ in range(episodes)]
    return torch.stack(hits).mean().item()


def main():
    rng = np.random.default_rng(SEED)
    torch.manual_seed(SEED)
    train_pool, test_pool = make_glyphs(400, rng), make_glyphs(100, rng)
    embed = Embed()
    opt = torch.optim.Adam(embed.parameters(), lr=2e-3)
    sched = torch.optim.lr_scheduler.StepLR(opt, step_size=80, gamma=0.5)
    loss_fn = nn.CrossEntropyLoss()
    running, correct = 0.0, 0.0
    for it in range(1, 321):
        embed.train()
        logits = episode_logits(embed, *sample_episode(train_pool))
        loss = loss_fn(logits, TARGET)
        opt.zero_grad()
        loss.backward()
        opt.step()
        sched.step()
        running += loss.item()
        correct += (logits.argmax(1) == TARGET).float().mean().item()
        if it % 40 == 0:
            embed.eval()
            print(f"episode {it}  loss {running / 40:.4f}  train acc {correct / 40:.3f}  new classes {test(embed, test_pool, 20):.3f}")
            running = correct = 0.0
    embed.eval()
    acc = test(embed, test_pool)
    raw = test(nn.Flatten(), test_pool)
    print(f"{WAY}-way {SHOT}-shot on unseen classes: prototypes of raw pixels {raw:.4f}, of learned features {acc:.4f}")
    print("RESULT", json.dumps({"fewshot_accuracy": round(acc, 4), "good": acc > 0.93 and acc > raw + 0.05}))


main()
