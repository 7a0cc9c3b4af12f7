import json
import sys

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
np.random.seed(seed)
torch.manual_seed(seed)
S = 14


def scenes(n):
    img = np.random.normal(0, 0.1, (n, 3, S, S)).astype("float32")
    mask = np.zeros((n, 1, S, S), dtype="float32")
    text = np.random.randint(0, 3, n)
    for i in range(n):
        for colour in range(3):
            r, c = np.random.randint(0, S - 4, 2)
            img[i, :, r:r + 4, c:c + 4] = 0
            img[i, colour, r:r + 4, c:c + 4] = 1
        mask[i, 0] = img[i, text[i]] == 1
    return torch.tensor(img), torch.tensor(text), torch.tensor(mask)


class PWAM(nn.Module):
    def __init__(self, dim, text_dim):
        super().__init__()
        self.vis = nn.Conv2d(dim, dim, 1)
        self.lang = nn.Linear(text_dim, dim)
        self.mix = nn.Conv2d(dim, dim, 1)

    def forward(self, x, t):
        return self.mix(F.relu(self.vis(x)) * self.lang(t)[:, :, None, None])


class Stage(nn.Module):
    def __init__(self, cin, dim, text_dim):
        super().__init__()
        self.conv = nn.Conv2d(cin, dim, 3, padding=1)
        self.fusion = PWAM(dim, text_dim)
        self.res_gate = nn.Sequential(nn.Conv2d(dim, dim, 1, bias=False), nn.ReLU(), nn.Conv2d(dim, dim, 1, bias=False), nn.Tanh())
        nn.init.zeros_(self.res_gate[2].weight)

    def forward(self, x, t):
        x = F.relu(self.conv(x))
        x_residual = self.fusion(x, t)
        return x + self.res_gate(x_residual) * x_residual


class LAVT(nn.Module):
    def __init__(self, dim=16, text_dim=12):
        super().__init__()
        self.words = nn.Embedding(3, text_dim)
        self.stages = nn.ModuleList([Stage(3, dim, text_dim), Stage(dim, dim, text_dim)])
        self.classifier = nn.Conv2d(dim, 1, 3, padding=1)

    def forward(self, img, text):
        t = self.words(text)
        for stage in self.stages:
            img = stage(img, t)
        return self.classifier(img)


train_img, train_text, train_mask = scenes(800)
test_img, test_text, test_mask = scenes(200)
model = LAVT()
optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3, weight_decay=1e-4)
for epoch in range(8):
    model.train()
    for idx in torch.randperm(len(train_img)).split(20):
        loss = F.binary_cross_entropy_with_logits(model(train_img[idx], train_text[idx]), train_mask[idx])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print("Epoch: [%d] loss: %.4f" % (epoch, loss.item()))

model.eval()
with torch.no_grad():
    pred = model(test_img, test_text) > 0
inter = (pred & (test_mask > 0)).sum((1, 2, 3)).float()
union = (pred | (test_mask > 0)).sum((1, 2, 3)).float()
print("RESULT", json.dumps({"metric": "mean IoU", "value": (inter / union.clamp(min=1)).mean().item()}))
