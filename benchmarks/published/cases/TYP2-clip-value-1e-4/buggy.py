import json
import sys

import numpy as np
import torch
import torch.nn as nn

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
np.random.seed(seed)
torch.manual_seed(seed)
LOOKBACK = 16


class Forecaster(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(1, 24, batch_first=True)
        self.linear = nn.Linear(24, 1)

    def forward(self, x):
        out, _ = self.lstm(x)
        return self.linear(out[:, -1])


t = np.arange(1000)
series = np.sin(t / 5) + 0.5 * np.sin(t / 11 + np.random.rand() * 6) + 0.05 * np.random.randn(1000)
series = ((series - series[:800].mean()) / series[:800].std()).astype(np.float32)
X = np.stack([series[i:i + LOOKBACK] for i in range(len(series) - LOOKBACK)])[..., None]
Y = series[LOOKBACK:, None]
X, Y = torch.from_numpy(X), torch.from_numpy(Y)
X_train, Y_train, X_test, Y_test = X[:780], Y[:780], X[800:], Y[800:]

model = Forecaster()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
for epoch in range(1, 11):
    model.train()
    for b in torch.randperm(len(X_train)).split(20):
        loss = nn.functional.mse_loss(model(X_train[b]), Y_train[b])
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_value_(model.parameters(), 1e-4)
        optimizer.step()
    with torch.no_grad():
        test = nn.functional.mse_loss(model(X_test), Y_test).item()
    print(f"Epoch {epoch:02d} | train {loss.item():.4f} | test {test:.4f}")
print("RESULT", json.dumps({"metric": "mse / var(y)", "value": test / Y_test.var().item()}))
