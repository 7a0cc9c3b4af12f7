import json
import sys

import torch
from torch import nn
from torch.nn.functional import mse_loss
from torch.optim import SGD

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)

N_IN, N_HID, N_OUT = 12, 24, 2
teacher = nn.Sequential(nn.Linear(N_IN, 16), nn.Tanh(), nn.Linear(16, N_OUT))
with torch.no_grad():
    for p in teacher.parameters():
        p.mul_(2.0)
    x = torch.randn(1200, N_IN)
    y = teacher(x) + 0.05 * torch.randn(1200, N_OUT)
x_train, y_train, x_val, y_val = x[:900], y[:900], x[900:], y[900:]

model = nn.Sequential(
    nn.Linear(N_IN, N_HID),
    nn.Tanh(),
    nn.Linear(N_HID, N_HID),
    nn.Tanh(),
    nn.Linear(N_HID, N_OUT),
)
opt = SGD(model.parameters(), lr=0.1)

for epoch in range(6000):
    pred = model(x_train)
    loss = mse_loss(pred, y_train)
    loss.backward()
    opt.step()
    if epoch % 300 == 0:
        print("Loss error: {:.16f}".format(loss))

with torch.no_grad():
    val = mse_loss(model(x_val), y_val).item()
print("RESULT", json.dumps({"metric": "val_mse", "value": float(val)}))
