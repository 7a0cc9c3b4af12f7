import json
import sys

import numpy as np
import torch
import torch.nn as nn
from sklearn.datasets import make_classification

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)

X, y = make_classification(n_samples=1400, n_features=7, random_state=seed)
X = torch.from_numpy(X.astype(np.float32))
y = torch.from_numpy(y.astype(np.float32)).view(-1, 1)
X_train, y_train, X_test, y_test = X[:1000], y[:1000], X[1000:], y[1000:]

# single hidden layer with 16 units
classifier = nn.Sequential(
    nn.Linear(7, 16),
    nn.ReLU(),
    nn.ReLU(),
    nn.Linear(16, 1),
    nn.Sigmoid(),
)
for layer in classifier:
    if isinstance(layer, nn.Linear):
        nn.init.xavier_uniform_(layer.weight)
        nn.init.zeros_(layer.bias)

loss_fn = nn.BCELoss()
sgd = torch.optim.SGD(classifier.parameters(), lr=0.01)

for epoch in range(5):
    perm = torch.randperm(1000)
    for i in range(0, 1000, 32):
        batch = perm[i:i + 32]
        sgd.zero_grad()
        loss = loss_fn(classifier(X_train[batch]), y_train[batch])
        loss.backward()
        sgd.step()
    with torch.no_grad():
        train_acc = ((classifier(X_train) > 0.5).float() == y_train).float().mean()
    print("epoch", epoch + 1, "loss", round(loss.item(), 4), "acc", round(train_acc.item(), 4))

with torch.no_grad():
    test_acc = ((classifier(X_test) > 0.5).float() == y_test).float().mean().item()
print("RESULT " + json.dumps({"metric": "accuracy", "value": round(test_acc, 4)}))
