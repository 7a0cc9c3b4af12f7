import json
import sys

import torch
import torch.nn as nn
from torch.utils.data import DataLoader, Dataset


class Angles(Dataset):
    def __init__(self, n, seed):
        g = torch.Generator().manual_seed(seed)
        self.x = torch.rand(n, 3, generator=g) * 2 - 1
        self.y = 30 * self.x[:, 0] * self.x[:, 1] + 15 * torch.sin(3 * self.x[:, 2])

    def __len__(self):
        return self.x.shape[0]

    def __getitem__(self, item):
        return {"state": self.x[item], "angle": self.y[item].unsqueeze(0)}


class Controller(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(3, 64)
        self.fc2 = nn.Linear(64, 64)
        self.fc3 = nn.Linear(64, 1)
        self.tanh = nn.Tanh()

    def forward(self, state):
        x = self.tanh(self.fc1(state))
        x = self.tanh(self.fc2(x))
        return self.fc3(x)


seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
train, valid = Angles(1000, seed), Angles(200, seed + 1)
net = Controller()
optimiser = torch.optim.Adam(net.parameters(), lr=0.005)
mse = nn.MSELoss()
for epoch in range(25):
    for batch in DataLoader(train, batch_size=25, shuffle=True):
        optimiser.zero_grad()
        loss = mse(net(batch["state"]), batch["angle"])
        loss.backward()
        optimiser.step()
    with torch.no_grad():
        error = mse(net(valid.x), valid.y[:, None]).item()
    print("epoch", epoch, "valid mse", round(error, 3))
print("RESULT", json.dumps({"metric": "mse", "value": error}))
