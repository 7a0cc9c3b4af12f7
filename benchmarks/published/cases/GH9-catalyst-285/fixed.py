import json
import sys

import torch
import torch.nn as nn

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)

HISTORY, OBS = 12, 10


def episodes(n):
    obs = torch.randn(n, HISTORY, OBS)
    flag = torch.zeros(n, HISTORY)
    flag[torch.arange(n), torch.randint(0, HISTORY, (n,))] = 1
    obs[:, :, 0] = 3 * flag
    action = (obs[:, :, 1:4] * flag.unsqueeze(-1)).sum(1)
    return obs, action


class TemporalAttentionPooling(nn.Module):
    def __init__(self, features_in):
        super().__init__()
        self.attention = nn.Conv1d(features_in, 1, kernel_size=1)
        self.softmax = nn.Softmax(dim=2)

    def forward(self, features):
        x = features.transpose(1, 2)
        weights = self.softmax(self.attention(x))
        return (x * weights).sum(2)


class LamaActor(nn.Module):
    def __init__(self):
        super().__init__()
        self.observation_net = nn.Sequential(nn.Linear(OBS, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU())
        self.pool = TemporalAttentionPooling(32)
        self.head = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 3))

    def forward(self, history):
        f = self.observation_net(history)
        return self.head(torch.cat([self.pool(f), f.max(dim=1)[0]], dim=1))


class Runner:
    def __init__(self, model, lr=2e-3, batch=64):
        self.model, self.batch = model, batch
        self.optimizer = torch.optim.Adam(model.parameters(), lr=lr)
        self.criterion = nn.MSELoss()

    def run(self, train, valid, epochs):
        for epoch in range(epochs):
            self.model.train()
            order = torch.randperm(len(train[0]))
            mean = 0.0
            for k in range(0, len(order), self.batch):
                sel = order[k:k + self.batch]
                loss = self.criterion(self.model(train[0][sel]), train[1][sel])
                self.optimizer.zero_grad()
                loss.backward()
                self.optimizer.step()
                mean += loss.item() * len(sel)
            self.model.eval()
            with torch.no_grad():
                val = self.criterion(self.model(valid[0]), valid[1]).item()
            print(f"{epoch} * train loss={mean / len(order):.4f} valid loss={val:.4f}")
        return val


runner = Runner(LamaActor())
mse = runner.run(episodes(3000), episodes(800), epochs=15)
print("RESULT", json.dumps({"metric": "valid_mse", "value": float(mse)}))
