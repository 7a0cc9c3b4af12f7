import json
import sys

import torch
import torch.nn as nn


class SensorTransformer(nn.Module):
    def __init__(self, n_in=4, d_model=32, n_classes=4, max_len=24):
        super().__init__()
        self.proj = nn.Linear(n_in, d_model)
        self.pos = nn.Parameter(0.02 * torch.randn(1, max_len, d_model))
        layer = nn.TransformerEncoderLayer(d_model, nhead=4, dim_feedforward=64, dropout=0.0, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, num_layers=1)
        self.head = nn.Linear(d_model, n_classes)

    def forward(self, x):
        h = self.encoder(self.proj(x) + self.pos)
        return self.head(h[:, 0])


def sample(n, T=24):
    """the class is the channel on which the strongest burst occurs"""
    x = 0.5 * torch.randn(n, T, 4)
    y = torch.randint(0, 4, (n,))
    t = torch.randint(1, T, (n,))
    x[torch.arange(n), t, y] += 3.0
    return x, y


seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
x_train, y_train = sample(1500)
x_val, y_val = sample(400)
model = SensorTransformer()
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
for epoch in range(8):
    model.train()
    for idx in torch.randperm(1500).split(50):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x_train[idx]), y_train[idx])
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        acc = (model(x_val).argmax(1) == y_val).float().mean().item()
    print(f"epoch {epoch}  loss {loss.item():.4f}  val acc {acc:.4f}")
print("RESULT", json.dumps({"metric": "accuracy", "value": acc}))
