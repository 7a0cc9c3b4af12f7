import json
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import make_classification
from torch.utils.data import DataLoader, TensorDataset

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)

X, y = make_classification(n_samples=1000, n_features=12, n_informative=5, random_state=seed)
X = torch.tensor(X, dtype=torch.float)
y = torch.tensor(y, dtype=torch.float).unsqueeze(1)
train_set = TensorDataset(X[:800], y[:800])
val_x, val_y = X[800:], y[800:]


class DeepNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList([
            nn.Linear(12, 32),
            nn.Linear(32, 32),
            nn.Linear(32, 64),
            nn.Linear(64, 128),
            nn.Linear(128, 256),
        ])
        self.head = nn.Linear(256, 1)

    def forward(self, x):
        x = F.relu(self.layers[0](x))
        for layer in self.layers[1:]:
            x = F.dropout(F.relu(layer(x)), 0.5, training=self.training)
        return F.softmax(self.head(x), dim=1)


model = DeepNet()
opt = torch.optim.Adam(model.parameters(), lr=0.1)
loader = DataLoader(train_set, batch_size=32, shuffle=True)

for epoch in range(20):
    model.train()
    total = 0.0
    for xb, yb in loader:
        opt.zero_grad()
        loss = F.binary_cross_entropy(model(xb), yb)
        loss.backward()
        opt.step()
        total += loss.item()
    model.eval()
    with torch.no_grad():
        out = model(val_x)
        val_loss = F.binary_cross_entropy(out, val_y)
        val_acc = (out == val_y).float().mean().item()
    print(f"epoch {epoch + 1:02d} loss {total / len(loader):.4f} val_loss {val_loss:.4f} val_acc {val_acc:.4f}")

test_acc = ((out > 0.5).float() == val_y).float().mean().item()
print("RESULT " + json.dumps({"metric": "accuracy", "value": round(test_acc, 4)}))
