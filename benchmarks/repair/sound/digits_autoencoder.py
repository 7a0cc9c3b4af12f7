"""Handwritten digits through twelve numbers and back."""
import json
import sys

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
pixels = torch.tensor(load_digits().data, dtype=torch.float32) / 16.0
pixels = pixels[torch.randperm(len(pixels), generator=torch.Generator().manual_seed(2))]
train, test = pixels[:1400], pixels[1400:]


class Autoencoder(nn.Module):
    def __init__(self, code=12):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, code))
        self.decoder = nn.Sequential(nn.Linear(code, 64), nn.ReLU(), nn.Linear(64, 64))

    def forward(self, x):
        return self.decoder(self.encoder(x))


model = Autoencoder()
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
criterion = nn.MSELoss()
for epoch in range(30):
    model.train()
    for (x,) in DataLoader(TensorDataset(train), batch_size=50, shuffle=True):
        optimizer.zero_grad()
        loss = criterion(model(x), x)
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        error = criterion(model(test), test).item()
    print(f"epoch {epoch} test mse {error:.4f}")
r2 = max(0.0, 1 - error / test.var(0).mean().item())  # below 0, one failure is like another
print("RESULT", json.dumps({"metric": "r2", "value": r2}))
