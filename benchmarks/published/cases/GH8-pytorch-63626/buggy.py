import json
import sys

import torch
import torch.nn as nn
from torch.utils.data import DataLoader

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)

data = torch.randn(24000, 2)
y = torch.sin(data[:, 0] * data[:, 1]).unsqueeze(1)
data = torch.cat([data, y], dim=1)
train, val = data[:20000], data[20000:]

model = nn.Sequential(
    nn.Linear(2, 32),
    nn.ReLU(),
    nn.Linear(32, 32),
    nn.ReLU(),
    nn.Linear(32, 32),
    nn.ReLU(),
    nn.Linear(32, 32),
    nn.ReLU(),
    nn.Linear(32, 32),
    nn.ReLU(),
    nn.Linear(32, 32),
    nn.ReLU(),
    nn.Linear(32, 32),
    nn.ReLU(),
    nn.Linear(32, 1),
)

criterion = torch.nn.L1Loss()
opt = torch.optim.SGD(model.parameters(), lr=0.01)

dl = DataLoader(train, batch_size=100, shuffle=True)
for epoch in range(12):
    total = 0.0
    for d in dl:
        pred = model(d[:, :2])
        loss = criterion(pred, d[:, 2:])
        opt.zero_grad()
        loss.backward()
        opt.step()
        total += loss.item()
    with torch.no_grad():
        val_loss = criterion(model(val[:, :2]), val[:, 2:]).item()
    print("epoch:[{}], loss: {:.4f} val: {:.4f}".format(epoch, total / len(dl), val_loss))

print("RESULT", json.dumps({"metric": "val_l1", "value": val_loss}))
