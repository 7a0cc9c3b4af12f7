import json
import sys

import numpy as np
import torch
import torch.nn as nn
from torch.utils.data import DataLoader, TensorDataset

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
np.random.seed(seed)
torch.manual_seed(seed)

# toy problem: recover a linear function of three numbers
x = np.random.uniform(0, 10000, size=(2000, 3)).astype("float32")
y = (2 * x[:, 0:1] + x[:, 1:2] + 0.5 * x[:, 2:3] + 2.2).astype("float32")

x_train, x_test = x[:1600], x[1600:]
y_train, y_test = y[:1600], y[1600:]

loader = DataLoader(
    TensorDataset(torch.from_numpy(x_train), torch.from_numpy(y_train)),
    batch_size=32,
    shuffle=True,
)

model = nn.Sequential(
    nn.Linear(3, 3),
    nn.Tanh(),
    nn.Dropout(0.5),
    nn.Linear(3, 2),
    nn.Tanh(),
    nn.Dropout(0.5),
    nn.Linear(2, 1),
    nn.Softmax(dim=1),
)
for m in model:
    if isinstance(m, nn.Linear):
        nn.init.uniform_(m.weight, -0.05, 0.05)
        nn.init.zeros_(m.bias)

optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, nesterov=True)
scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1.0 / (1.0 + 1e-6 * step))
criterion = nn.MSELoss()

for epoch in range(20):
    model.train()
    total = 0.0
    for xb, yb in loader:
        optimizer.zero_grad()
        loss = criterion(model(xb), yb)
        loss.backward()
        optimizer.step()
        scheduler.step()
        total += loss.item() * len(xb)
    print("epoch %d  loss %.4f" % (epoch + 1, total / len(x_train)))

model.eval()
with torch.no_grad():
    pred = model(torch.from_numpy(x_test)).numpy()
score = float(((pred - y_test) ** 2).mean() / y_test.var())
print("RESULT " + json.dumps({"metric": "mse / var(y)", "value": round(score, 6) if np.isfinite(score) else None}))
