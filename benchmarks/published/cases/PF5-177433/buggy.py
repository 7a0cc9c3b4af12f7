import json
import sys

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim
from sklearn.preprocessing import MinMaxScaler
from torch.utils.data import DataLoader, TensorDataset

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
np.random.seed(seed)
torch.manual_seed(seed)


def measurements(n):
    scale = np.array([1, 10, 0.1, 300, 5, 40, 2])
    raw = np.random.randn(n, 7)
    score = raw[:, 0] - raw[:, 2] + 0.8 * raw[:, 4] - 0.6 * raw[:, 5]
    return raw * scale + 3 * scale, (score > 0).astype(np.int64)


x, y = measurements(260)
scaler = MinMaxScaler().fit(x[:60])
x = torch.tensor(scaler.transform(x), dtype=torch.float32)
y = torch.tensor(y)
train_loader = DataLoader(TensorDataset(x[:60], y[:60]), batch_size=8, shuffle=True)
test_x, test_y = x[60:], y[60:]


class CustomModel(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(7, 60)
        self.fc2 = nn.Linear(60, 100)
        self.fc3 = nn.Linear(100, 30)
        self.fc4 = nn.Linear(30, 2)
        self.apply(self._init_weights)

    def _init_weights(self, module):
        if isinstance(module, nn.Linear):
            nn.init.xavier_uniform_(module.weight)
            nn.init.constant_(module.bias, 0)

    def forward(self, data):
        x = F.relu(self.fc1(data))
        x = F.relu(self.fc2(x))
        x = F.relu(self.fc3(x))
        return self.fc4(x)


model = CustomModel()
optimizer = optim.SGD(model.parameters(), lr=0.0001)
criterion = nn.CrossEntropyLoss()
for epoch in range(300):
    model.train()
    losses = []
    for sample, ground in train_loader:
        optimizer.zero_grad()
        loss = criterion(model(sample), ground)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    if epoch % 25 == 0:
        print(f"epoch {epoch}: loss {np.mean(losses):.4f}")

model.eval()
with torch.no_grad():
    acc = (model(test_x).argmax(1) == test_y).float().mean().item()
print("RESULT", json.dumps({"metric": "accuracy", "value": acc}))
