import json
import sys

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
np.random.seed(seed)
torch.manual_seed(seed)

SEQ, BATCH = 14, 50


def questions(n):
    x = np.random.randn(n, SEQ, 6).astype("float32")
    best = x[:, :, 0].argmax(1)
    y = x[np.arange(n), best, 1:4]
    return torch.tensor(x), torch.tensor(y)


class EmbedVector(nn.Module):
    def __init__(self, dim=6, hidden=32, out=3):
        super().__init__()
        self.lstm = nn.GRU(dim, hidden, bidirectional=True)
        self.attn = nn.Sequential(nn.Linear(hidden * 2 + dim, 64), nn.Tanh(), nn.Linear(64, 1))
        self.hidden2tag = nn.Linear(dim + hidden * 2, out)

    def forward(self, x):
        x = x.transpose(0, 1)
        seq_len, batch, dim = x.shape
        outputs, _ = self.lstm(x)
        x = x.reshape(seq_len * batch, dim)
        outputs = outputs.reshape(seq_len * batch, -1)
        cat = torch.cat((x, outputs), 1)
        attn_weights = F.softmax(self.attn(cat), dim=1)
        attn_applied = torch.bmm(attn_weights.view(seq_len, batch, 1).permute(1, 2, 0), cat.view(seq_len, batch, -1).transpose(0, 1)).squeeze(1)
        return self.hidden2tag(attn_applied)


train_x, train_y = questions(3000)
test_x, test_y = questions(600)
model = EmbedVector()
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
for epoch in range(1, 9):
    model.train()
    order = torch.randperm(len(train_x))
    for i in range(0, len(order), BATCH):
        idx = order[i:i + BATCH]
        loss = F.mse_loss(model(train_x[idx]), train_y[idx])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        dev = F.mse_loss(model(test_x), test_y).item()
    print(epoch, "train", round(loss.item(), 4), "dev", round(dev, 4))
print("RESULT", json.dumps({"metric": "mse", "value": dev}))
