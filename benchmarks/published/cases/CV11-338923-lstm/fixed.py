import json, sys
import numpy as np
import torch
import torch.nn as nn
from torch.utils.data import DataLoader, TensorDataset

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
rng = np.random.RandomState(seed)
torch.set_num_threads(1)

features = 1
timesteps = 20

# double-seasonal series with a little noise
n = 4000
t = np.arange(1, n + 1)
x_diff = np.sin(0.1 * t) + np.sin(t) + rng.normal(0, 0.1, n)


def windows(series):
    xs = np.array([series[i:i + timesteps] for i in range(len(series) - timesteps)])
    ys = series[timesteps:]
    return (torch.tensor(xs, dtype=torch.float32).view(-1, timesteps, features),
            torch.tensor(ys, dtype=torch.float32).view(-1, 1))


x_train, y_train = windows(x_diff[:2800])
x_val, y_val = windows(x_diff[2800:3400])
x_test, y_test = windows(x_diff[3400:])


class StackedLSTM(nn.Module):
    def __init__(self, units=24):
        super().__init__()
        self.lstm = nn.LSTM(features, units, num_layers=2, batch_first=True)
        self.dense = nn.Linear(units, 1)

    def forward(self, x):
        out, _ = self.lstm(x)
        return self.dense(out[:, -1])


model = StackedLSTM()
criterion = nn.MSELoss()
epochs = 15
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
loader = DataLoader(TensorDataset(x_train, y_train), batch_size=50, shuffle=True)

for epoch in range(epochs):
    model.train()
    total = 0.0
    for x, y in loader:
        optimizer.zero_grad()
        loss = criterion(model(x), y)
        loss.backward()
        optimizer.step()
        total += loss.item() * len(y)
    scheduler.step()
    model.eval()
    with torch.no_grad():
        val = criterion(model(x_val), y_val).item()
    print(f"epoch {epoch + 1} loss {total / len(x_train):.4f} val_loss {val:.4f}")

model.eval()
with torch.no_grad():
    rmse = torch.sqrt(criterion(model(x_test), y_test)).item()
print("RESULT " + json.dumps({"metric": rmse}))
