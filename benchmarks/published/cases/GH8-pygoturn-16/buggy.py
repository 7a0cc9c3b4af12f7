import json
import sys

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
np.random.seed(seed)
torch.manual_seed(seed)

S = 24
BATCH_SIZE = 40
LR_DECAY_STEP = 100
GAMMA = 0.5
NUM_ITR = 500


def draw(cx, cy, w, h, colour, bg):
    yy, xx = np.mgrid[:S, :S]
    img = bg + 0.05 * np.random.randn(S, S)
    img[(np.abs(xx - cx) < w / 2) & (np.abs(yy - cy) < h / 2)] = colour
    return img


def pairs(n):
    # previous crop (object in the middle) and current crop (object has moved)
    prev, curr, bb = [], [], []
    for _ in range(n):
        w, h = np.random.uniform(6, 12, 2)
        colour, bg = np.random.uniform(0.6, 1.0), np.random.uniform(0.0, 0.3)
        cx, cy = 12 + np.random.uniform(-5, 5, 2)
        prev.append(draw(12, 12, w, h, colour, bg))
        curr.append(draw(cx, cy, w, h, colour, bg))
        bb.append([cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2])
    to = lambda a: torch.tensor(np.array(a), dtype=torch.float32)
    return to(prev).unsqueeze(1) - 0.3, to(curr).unsqueeze(1) - 0.3, to(bb) / S * 10


class GoNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.convnet = nn.Sequential(nn.Conv2d(1, 12, 5, stride=2, padding=2), nn.ReLU(),
                                     nn.Conv2d(12, 24, 3, stride=2, padding=1), nn.ReLU(), nn.Flatten())
        self.classifier = nn.Sequential(nn.Linear(24 * 36 * 2, 128), nn.ReLU(), nn.Dropout(0.1),
                                        nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 4))

    def forward(self, x, y):
        return self.classifier(torch.cat((self.convnet(x), self.convnet(y)), 1))


def exp_lr_scheduler(optimizer, itr, lr_decay_step, gamma):
    if itr > 0 and itr % lr_decay_step == 0:
        for g in optimizer.param_groups:
            g["lr"] = g["lr"] * gamma
        print(f"itr {itr}: learning rate {optimizer.param_groups[0]['lr']:.2e}")
    return optimizer


train_set, val_set = pairs(2500), pairs(400)
model = GoNet()
optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4)


@torch.no_grad()
def validate():
    model.eval()
    loss = F.l1_loss(model(val_set[0], val_set[1]), val_set[2]).item()
    model.train()
    return loss


curr, itr, running = 0, 0, 0.0
prev_batch, curr_batch, bb_batch = [], [], []
optimizer.zero_grad()
while itr < NUM_ITR:
    # every video frame gives ten crops; a batch is ready when BATCH_SIZE crops are collected
    optimizer = exp_lr_scheduler(optimizer, itr, LR_DECAY_STEP, GAMMA)
    idx = torch.randint(len(train_set[0]), (10,))
    prev_batch.append(train_set[0][idx])
    curr_batch.append(train_set[1][idx])
    bb_batch.append(train_set[2][idx])
    done = len(prev_batch) * 10 >= BATCH_SIZE
    if done:
        x1, x2, y = torch.cat(prev_batch), torch.cat(curr_batch), torch.cat(bb_batch)
        prev_batch, curr_batch, bb_batch = [], [], []
        loss = F.l1_loss(model(x1, x2), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        running += loss.item()
        itr += 1
        if itr % 50 == 0:
            print(f"[training] step = {itr}/{NUM_ITR}, loss = {running / 50:.4f}, val loss = {validate():.4f}")
            running = 0.0

print("RESULT", json.dumps({"metric": "val_l1", "value": validate()}))
