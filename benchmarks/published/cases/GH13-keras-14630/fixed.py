import sys
import json
import numpy as np
import torch
import torch.nn as nn

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
np.random.seed(seed)
torch.manual_seed(seed)

n, window, horizon = 3000, 24, 3


def make_series(n):
    """values between about 3000 and 50000"""
    t = np.arange(window + horizon)
    level = np.random.uniform(12000, 41000, (n, 1))
    amp = np.random.uniform(2000, 9000, (n, 1))
    phase = np.random.uniform(0, 2 * np.pi, (n, 1))
    s = level + amp * np.sin(2 * np.pi * t / 12 + phase) + np.random.randn(n, len(t)) * 150
    return s[:, :window, None], s[:, window:]


x_train, y_train = make_series(n)
x_test, y_test = make_series(600)
print(x_train.shape, y_train.shape, x_train.min(), x_train.max())

mean, std = x_train.mean(), x_train.std()
x_train = torch.from_numpy(((x_train - mean) / std).astype(np.float32))
y_train = torch.from_numpy(((y_train - mean) / std).astype(np.float32))
x_test = torch.from_numpy(((x_test - mean) / std).astype(np.float32))
y_test = torch.from_numpy(((y_test - mean) / std).astype(np.float32))


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm1 = nn.LSTM(1, 20, batch_first=True)
        self.lstm2 = nn.LSTM(20, 40, batch_first=True)
        self.drop = nn.Dropout(0.1)
        self.dense = nn.Linear(40, horizon)

    def forward(self, x):
        x, _ = self.lstm1(x)
        x, _ = self.lstm2(self.drop(x))
        return self.dense(x[:, -1])


model = Model()
optimizer = torch.optim.RMSprop(model.parameters(), lr=0.002)
loss_fn = nn.MSELoss()
epochs = 10

for epoch in range(epochs):
    model.train()
    perm = torch.randperm(n)
    total = 0.0
    for i in range(0, n, 50):
        idx = perm[i:i + 50]
        optimizer.zero_grad()
        loss = loss_fn(model(x_train[idx]), y_train[idx])
        loss.backward()
        optimizer.step()
        total += loss.item() * len(idx)
    model.eval()
    with torch.no_grad():
        val = loss_fn(model(x_test), y_test).item()
    print('Epoch %d/%d - loss: %.4f - val_loss: %.4f' % (epoch + 1, epochs, total / n, val))

model.eval()
with torch.no_grad():
    pred = model(x_test)
print(pred[:4] * std + mean, y_test[:4] * std + mean)
r2 = 1 - ((pred - y_test) ** 2).mean().item() / ((y_test - y_test.mean()) ** 2).mean().item()
print('RESULT ' + json.dumps({"metric": "test R2", "value": round(r2, 4)}))
