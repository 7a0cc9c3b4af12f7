import json
import sys

import torch
import torch.nn as nn
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

HIDDEN = 64


class MLP(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden = nn.Linear(64, HIDDEN)
        self.act = nn.ReLU()
        self.output = nn.Linear(HIDDEN, 10)

    def forward(self, x):
        return self.output(self.act(self.hidden(x)))


def accuracy(model, X, y):
    with torch.no_grad():
        return (model(X).argmax(dim=1) == y).float().mean().item()


seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=seed)
X_train = torch.tensor(X_train / 16).float()
X_test = torch.tensor(X_test / 16).float()
y_train, y_test = torch.tensor(y_train), torch.tensor(y_test)
model = MLP()
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
criterion = nn.CrossEntropyLoss()
for epoch in range(40):
    for idx in torch.randperm(len(X_train)).split(64):
        optimizer.zero_grad()
        loss = criterion(model(X_train[idx]), y_train[idx])
        loss.backward()
        optimizer.step()
    if epoch % 10 == 9:
        print(f"Epoch {epoch + 1}, train acc {accuracy(model, X_train, y_train):.3f}, test acc {accuracy(model, X_test, y_test):.3f}")
print("RESULT", json.dumps({"metric": "accuracy", "value": accuracy(model, X_test, y_test)}))
