import json, sys
import numpy as np
import torch
import torch.nn as nn
from torch.utils.data import DataLoader, TensorDataset

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
rng = np.random.RandomState(seed)
torch.set_num_threads(1)

# transactions already compressed to 5 columns; a small share of them is fraudulent
N = 40000
fraud = rng.rand(N) < 0.015
X = rng.randn(N, 5)
X[fraud] += np.array([1.2, -0.9, 0.0, 0.8, 0.6])
X[fraud, 2] *= 1.5
y = fraud.astype(np.float32)

X_train, y_train = X[:26000], y[:26000]
X_val, y_val = X[26000:32000], y[26000:32000]
X_test, y_test = X[32000:], y[32000:]
mean, std = X_train.mean(0), X_train.std(0)
t = lambda a: torch.tensor((a - mean) / std, dtype=torch.float32)
X_train, X_val, X_test = t(X_train), t(X_val), t(X_test)
y_train, y_val, y_test = (torch.tensor(a).unsqueeze(1) for a in (y_train, y_val, y_test))

model = nn.Sequential(nn.Linear(5, 10), nn.ReLU(), nn.Linear(10, 10), nn.ReLU(), nn.Linear(10, 1))
criterion = nn.BCEWithLogitsLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
loader = DataLoader(TensorDataset(X_train, y_train), batch_size=128, shuffle=True)

for epoch in range(10):
    model.train()
    total = 0.0
    for xb, yb in loader:
        optimizer.zero_grad()
        loss = criterion(model(xb), yb)
        loss.backward()
        optimizer.step()
        total += loss.item() * len(yb)
    model.eval()
    with torch.no_grad():
        out = model(X_val)
        vloss = criterion(out, y_val).item()
        acc = ((out > 0).float() == y_val).float().mean().item()
    if (epoch + 1) % 5 == 0:
        print(f"epoch {epoch + 1} loss {total / len(X_train):.4f} val_loss {vloss:.4f} val_accuracy {acc:.4f}")

model.eval()
with torch.no_grad():
    pred = (model(X_test) > 0).float()
tn = ((pred == 0) & (y_test == 0)).sum().item()
fp = ((pred == 1) & (y_test == 0)).sum().item()
fn = ((pred == 0) & (y_test == 1)).sum().item()
tp = ((pred == 1) & (y_test == 1)).sum().item()
print("Confusion matrix:", [[tn, fp], [fn, tp]], "Accuracy Score:", (tn + tp) / len(y_test))
print("RESULT " + json.dumps({"metric": 0.5 * (tp / (tp + fn) + tn / (tn + fp))}))
