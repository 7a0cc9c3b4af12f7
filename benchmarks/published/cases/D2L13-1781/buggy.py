import sys
import json
import torch
from torch import nn

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)


class Linear:
    def __init__(self, n, eta=0.01):
        self.theta = torch.zeros(n + 1, 1, requires_grad=True)
        self.eta = eta

    def cal(self, x):
        return torch.concat((x, torch.ones(x.shape[0], 1)), dim=1) @ self.theta

    def loss(self, x, y):
        return nn.MSELoss()(self.cal(x), y)

    def batch(self, x, y):
        loss = self.loss(x, y)
        loss.backward()
        with torch.no_grad():
            self.theta -= self.eta * self.theta.grad / x.shape[0]
        return loss.item()


def synthetic_data(w, b, num_examples):
    """y = Xw + b + noise"""
    X = torch.normal(0.0, 1.0, (num_examples, len(w)))
    y = torch.matmul(X, w) + b
    y += torch.normal(0.0, 0.01, y.shape)
    return X, y.reshape((-1, 1))


def data_iter(batch_size, features, labels):
    idx = torch.randperm(len(features))
    for i in range(0, len(features), batch_size):
        j = idx[i:i + batch_size]
        yield features[j], labels[j]


true_w = torch.tensor([2.0, -3.4])
true_b = 4.2
features, labels = synthetic_data(true_w, true_b, 2000)
test_features, test_labels = synthetic_data(true_w, true_b, 500)

net = Linear(2, eta=0.01)
batch_size = 10
num_epochs = 30
for epoch in range(num_epochs):
    total = 0.0
    for x, y in data_iter(batch_size, features, labels):
        total += net.batch(x, y)
    print(f'epoch {epoch + 1}, loss={total / (len(features) / batch_size):.6f}; theta={net.theta.detach().reshape(3)}')

with torch.no_grad():
    mse = net.loss(test_features, test_labels).item()
print('w error:', (net.theta.detach()[:2, 0] - true_w).tolist(), 'b error:', (net.theta.detach()[2, 0] - true_b).item())
print('RESULT ' + json.dumps({"metric": "test MSE", "value": round(mse, 6)}))
