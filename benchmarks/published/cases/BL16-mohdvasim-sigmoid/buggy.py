import sys, json
import numpy as np
import torch
from torch import nn
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.set_num_threads(1)
torch.manual_seed(seed)

X, y = load_digits(return_X_y=True)
X = (X - 8.0) / 8.0
Xtr, Xte, ytr, yte = train_test_split(X, y, test_size=0.25, random_state=seed, stratify=y)
Xtr, Xte = torch.tensor(Xtr, dtype=torch.float32), torch.tensor(Xte, dtype=torch.float32)
ytr, yte = torch.tensor(ytr), torch.tensor(yte)


def build(n_hidden_layers=5, width=64, act=nn.Sigmoid):
    layers, d = [], 64
    for _ in range(n_hidden_layers):
        layers += [nn.Linear(d, width), act()]
        d = width
    layers.append(nn.Linear(d, 10))
    return nn.Sequential(*layers)


model = build()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
criterion = nn.CrossEntropyLoss()

for epoch in range(1, 101):
    model.train()
    running = 0.0
    for idx in torch.randperm(len(Xtr)).split(64):
        loss = criterion(model(Xtr[idx]), ytr[idx])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        running += loss.item() * len(idx)
    if epoch % 10 == 0:
        print(f"epoch {epoch:3d}  loss {running / len(Xtr):.4f}")

model.eval()
with torch.no_grad():
    acc = (model(Xte).argmax(1) == yte).float().mean().item()
print("RESULT " + json.dumps({"metric": "test_accuracy", "value": round(acc, 4)}))
