# LSTM time series forecast (port of the keras airline passengers example)
import json
import sys

import numpy as np
import torch
import torch.nn as nn

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
np.random.seed(seed)
torch.manual_seed(seed)

t = np.arange(145)
series = 200 + 80 * np.sin(2 * np.pi * t / 12) + 30 * np.sin(2 * np.pi * t / 31) + np.random.normal(0, 6, 145)
low, high = series[:97].min(), series[:97].max()
scaled = torch.tensor((series - low) / (high - low), dtype=torch.float32)

look_back = 3
X = torch.stack([scaled[i:i + look_back] for i in range(len(scaled) - look_back)]).unsqueeze(-1)
Y = scaled[look_back:].unsqueeze(-1)
train_X, train_Y, test_X, test_Y = X[:94], Y[:94], X[94:], Y[94:]


class Forecaster(nn.Module):
    def __init__(self, hidden=8):
        super().__init__()
        self.lstm = nn.LSTM(1, hidden, batch_first=True)
        self.linear = nn.Linear(hidden, 1)

    def forward(self, x):
        out, _ = self.lstm(x)
        return self.linear(out[:, -1])


model = Forecaster()
loss_fn = nn.MSELoss()
optimizer = torch.optim.Adam(model.parameters(), lr=0.005)

for epoch in range(25):
    total = 0.0
    for i in np.random.permutation(len(train_X)):
        optimizer.zero_grad()
        loss = loss_fn(model(train_X[i:i + 1]), train_Y[i:i + 1])
        loss.backward()
        optimizer.step()
        total += loss.item()
    print("Epoch", epoch, "loss", total / len(train_X))

with torch.no_grad():
    pred = model(test_X)
    score = (loss_fn(pred, test_Y) / test_Y.var(unbiased=False)).item()
print("RESULT", json.dumps({"metric": "mse / var(y)", "value": score}))
