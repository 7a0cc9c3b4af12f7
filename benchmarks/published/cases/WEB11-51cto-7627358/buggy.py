import json, sys
import numpy as np
import torch
import torch.nn as nn
from torch.utils.data import DataLoader, TensorDataset

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
rng = np.random.RandomState(seed)
torch.set_num_threads(1)

# 7 features, one continuous target
N = 6000
X = rng.randn(N, 7)
Y = X[:, 0] * X[:, 1] + 0.6 * (X[:, 2] ** 2 - 1) + np.sin(2 * X[:, 3]) + 0.4 * X[:, 4] + 0.1 * rng.randn(N)
X = torch.tensor(X, dtype=torch.float32)
Y = torch.tensor((Y - Y[:5000].mean()) / Y[:5000].std(), dtype=torch.float32).unsqueeze(1)
train = DataLoader(TensorDataset(X[:5000], Y[:5000]), batch_size=64, shuffle=True)
x_test, y_test = X[5000:], Y[5000:]


class BPNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer1 = nn.Sequential(nn.Linear(7, 1), nn.BatchNorm1d(1), nn.ReLU(), nn.Dropout(0.5))
        self.layer2 = nn.Sequential(nn.Linear(1, 100), nn.BatchNorm1d(100), nn.ReLU(), nn.Dropout(0.5))
        self.layer3 = nn.Sequential(nn.Linear(100, 150), nn.BatchNorm1d(150), nn.ReLU(), nn.Dropout(0.5))
        self.last_layer = nn.Linear(150, 1)

    def forward(self, x):
        x = self.layer1(x)
        x = self.layer2(x)
        x = self.layer3(x)
        return self.last_layer(x)


def r_square(pred, y):
    return (1 - ((pred - y) ** 2).sum() / ((y - y.mean()) ** 2).sum()).item()


net = BPNet()
optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 14)
criterion = nn.MSELoss()

for epoch in range(14):
    net.train()
    total = 0.0
    for x, y in train:
        optimizer.zero_grad()
        loss = criterion(net(x), y)
        loss.backward()
        optimizer.step()
        total += loss.item() * len(y)
    scheduler.step()
    if (epoch + 1) % 2 == 0:
        net.eval()
        with torch.no_grad():
            print(f"epoch {epoch + 1} loss {total / 5000:.4f} train R2 {r_square(net(X[:5000]), Y[:5000]):.4f} "
                  f"test R2 {r_square(net(x_test), y_test):.4f}")

net.eval()
with torch.no_grad():
    score = r_square(net(x_test), y_test)
print("RESULT " + json.dumps({"metric": score}))
