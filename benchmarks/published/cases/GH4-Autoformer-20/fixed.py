import json
import sys

import numpy as np
import torch
from sklearn.preprocessing import StandardScaler
from torch import nn
from torch.utils.data import DataLoader, Dataset


def hourly_series(rng, n=3000, channels=4):
    t = np.arange(n)[:, None]
    phase = rng.uniform(0, 2 * np.pi, (1, channels))
    daily = np.sin(2 * np.pi * t / 24 + phase) * rng.uniform(1, 3, (1, channels))
    weekly = np.cos(2 * np.pi * t / 168 + phase) * rng.uniform(0.5, 1.5, (1, channels))
    noise = np.zeros((n, channels))
    for i in range(1, n):
        noise[i] = 0.7 * noise[i - 1] + 0.3 * rng.standard_normal(channels)
    return 10 + daily + weekly + noise


class Dataset_Custom(Dataset):
    def __init__(self, raw, flag, size=(48, 24)):
        self.seq_len, self.pred_len = size
        num_train = int(len(raw) * 0.7)
        num_test = int(len(raw) * 0.2)
        num_vali = len(raw) - num_train - num_test
        border1s = [0, num_train - self.seq_len, len(raw) - num_test - self.seq_len]
        border2s = [num_train, num_train + num_vali, len(raw)]
        which = {"train": 0, "val": 1, "test": 2}[flag]
        scaler = StandardScaler().fit(raw[border1s[0]:border2s[0]])
        data = scaler.transform(raw)[border1s[which]:border2s[which]]
        self.data = torch.tensor(data, dtype=torch.float32)

    def __len__(self):
        return len(self.data) - self.seq_len - self.pred_len + 1

    def __getitem__(self, i):
        s_end = i + self.seq_len
        return self.data[i:s_end], self.data[s_end:s_end + self.pred_len]


class Forecaster(nn.Module):
    def __init__(self, channels, seq_len=48, pred_len=24, d_model=32):
        super().__init__()
        self.embed = nn.Linear(channels, d_model)
        self.pos = nn.Parameter(0.02 * torch.randn(seq_len, d_model))
        layer = nn.TransformerEncoderLayer(d_model, 4, 64, dropout=0.05, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 1)
        self.project = nn.Linear(seq_len * d_model, pred_len * channels)
        self.shape = (pred_len, channels)

    def forward(self, x):
        h = self.encoder(self.embed(x) + self.pos)
        return self.project(h.flatten(1)).view(-1, *self.shape)


def vali(model, loader, criterion):
    model.eval()
    with torch.no_grad():
        losses = [criterion(model(x), y).item() for x, y in loader]
    model.train()
    return float(np.mean(losses))


seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
raw = hourly_series(np.random.default_rng(seed))
train_loader = DataLoader(Dataset_Custom(raw, "train"), batch_size=32, shuffle=True, drop_last=True)
vali_loader = DataLoader(Dataset_Custom(raw, "val"), batch_size=64)
test_loader = DataLoader(Dataset_Custom(raw, "test"), batch_size=64)
model = Forecaster(raw.shape[1])
model_optim = torch.optim.Adam(model.parameters(), lr=5e-4)
criterion = nn.MSELoss()
for epoch in range(5):
    train_loss = []
    for batch_x, batch_y in train_loader:
        model_optim.zero_grad()
        loss = criterion(model(batch_x), batch_y)
        loss.backward()
        model_optim.step()
        train_loss.append(loss.item())
    test_loss = vali(model, test_loader, criterion)
    print("Epoch: {0} | Train Loss: {1:.5f} Vali Loss: {2:.5f} Test Loss: {3:.5f}".format(
        epoch + 1, np.mean(train_loss), vali(model, vali_loader, criterion), test_loss))
print("RESULT", json.dumps({"metric": "test_mse", "value": test_loss}))
