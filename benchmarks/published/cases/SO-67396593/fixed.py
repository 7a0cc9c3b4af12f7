import json
import sys

import torch
import torch.nn as nn
from sklearn.datasets import make_classification

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)

X, y = make_classification(n_samples=1300, n_features=24, n_informative=20, n_classes=5, random_state=seed)
X = torch.tensor(X, dtype=torch.float32)
y = torch.tensor(y)
targets = nn.functional.one_hot(y, 5).float()
x_train, t_train = X[:1000], targets[:1000]
x_test, y_test = X[1000:], y[1000:]


def categorical_crossentropy(prob, target):
    prob = prob / prob.sum(dim=1, keepdim=True)
    prob = prob.clamp(1e-7, 1 - 1e-7)
    return -(target * torch.log(prob)).sum(dim=1).mean()


def init_weights(m):
    if isinstance(m, nn.Linear):
        nn.init.xavier_uniform_(m.weight)
        nn.init.zeros_(m.bias)


model = nn.Sequential(
    nn.Linear(24, 16), nn.ReLU(),
    nn.Linear(16, 16), nn.ReLU(),
    nn.Linear(16, 16), nn.ReLU(),
    nn.Linear(16, 5), nn.Softmax(dim=1),
)
model.apply(init_weights)
optimizer = torch.optim.Adam(model.parameters(), lr=0.001)

for epoch in range(60):
    perm = torch.randperm(1000)
    for k in range(0, 1000, 64):
        rows = perm[k:k + 64]
        loss = categorical_crossentropy(model(x_train[rows]), t_train[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print("epoch", epoch + 1, "loss", loss.item())

with torch.no_grad():
    pred = model(x_test).argmax(dim=1)
acc = (pred == y_test).float().mean().item()
print("RESULT " + json.dumps({"metric": "accuracy", "value": round(acc, 4)}))
