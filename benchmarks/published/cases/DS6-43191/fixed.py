import json
import sys

import numpy as np
import torch
import torch.nn as nn

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
np.random.seed(seed)
torch.manual_seed(seed)


def sequences(n, steps=16):
    label = np.random.randint(0, 2, n)
    x = np.random.normal(0, 1.0, (n, steps, 4))
    slope = np.linspace(-1, 1, steps)
    x[:, :, 0] += np.where(label == 1, 0.5, -0.5)[:, None] * slope
    x[:, :, 1] += np.where(label == 1, 0.15, -0.15)[:, None]
    return torch.tensor(x, dtype=torch.float32), torch.tensor(label)


class LSTMNet(nn.Module):
    def __init__(self, hidden, layers, dropout):
        super().__init__()
        self.lstm = nn.LSTM(4, hidden, layers, batch_first=True)
        self.drop = nn.Dropout(dropout)
        self.fc = nn.Linear(hidden, 2)

    def forward(self, x):
        out, _ = self.lstm(x)
        return self.fc(self.drop(out.mean(1)))


train_x, train_y = sequences(240)
valid_x, valid_y = sequences(800)
model = LSTMNet(hidden=8, layers=1, dropout=0.3)
optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.1)
epochs = 35
criterion = nn.CrossEntropyLoss()

for epoch in range(epochs):
    model.train()
    perm = torch.randperm(len(train_x))
    train_loss = 0.0
    for idx in perm.split(24):
        loss = criterion(model(train_x[idx]), train_y[idx])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        train_loss += loss.item() * len(idx)
    model.eval()
    with torch.no_grad():
        logits = model(valid_x)
        val_loss = criterion(logits, valid_y).item()
    if epoch % 5 == 0:
        print(f"epoch {epoch} train_loss {train_loss / len(train_x):.4f} val_loss {val_loss:.4f}")

print("val acc", (logits.argmax(1) == valid_y).float().mean().item())
print("RESULT", json.dumps({"metric": "val loss", "value": val_loss}))
