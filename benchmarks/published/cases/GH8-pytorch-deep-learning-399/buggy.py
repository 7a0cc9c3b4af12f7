import json
import sys

import torch
from torch import nn

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)

weight, bias = 0.7, 0.3
X = torch.arange(0, 1, 0.005).unsqueeze(dim=1)
y = weight * X + bias
order = torch.randperm(len(X))
X, y = X[order], y[order]
train_split = int(0.8 * len(X))
X_train, y_train = X[:train_split], y[:train_split]
X_test, y_test = X[train_split:], y[train_split:]


class LinearRegressionModel(nn.Module):
    def __init__(self):
        super().__init__()
        self.weights = nn.Parameter(torch.randn(1))
        self.bias = nn.Parameter(torch.randn(1))

    def forward(self, x):
        return self.weights * x + self.bias


class LinearRegressionModel2(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear_layer = nn.Linear(in_features=1, out_features=1)

    def forward(self, x):
        return self.linear_layer(x)


def fit(model, optimizer, epochs, loss_fn):
    for epoch in range(epochs):
        model.train()
        y_pred = model(X_train)
        loss = loss_fn(y_pred, y_train)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        model.eval()
        with torch.inference_mode():
            test_loss = loss_fn(model(X_test), y_test)
        if epoch % 200 == 0:
            print(f"Epoch: {epoch} | Train loss: {loss:.5f} | Test loss: {test_loss:.5f}")
    return test_loss.item()


loss_fn = nn.L1Loss()

print("model_0")
model_0 = LinearRegressionModel()
optimizer = torch.optim.SGD(params=model_0.parameters(), lr=0.01)
fit(model_0, optimizer, 1500, loss_fn)

print("model_1")
model_1 = LinearRegressionModel2()
optimizer = torch.optim.SGD(params=model_0.parameters(), lr=0.01)
test_loss = fit(model_1, optimizer, 3000, loss_fn)

print(model_1.state_dict())
print("RESULT", json.dumps({"metric": "test_l1", "value": test_loss}))
