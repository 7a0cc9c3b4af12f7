import sys
import json
import numpy as np
import torch
import torch.nn as nn

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
np.random.seed(seed)
torch.manual_seed(seed)

# binary vectors -> real value
n_bits = 24
N = 6000
X = np.random.randint(0, 2, size=(N, n_bits)).astype(np.float32)
w = np.random.randn(n_bits)
y = X @ w + 1.5 * X[:, 0] * X[:, 1] - 2.0 * X[:, 2] * X[:, 3] + 1.5 * X[:, 4] * (1 - X[:, 5])
y = ((y - y.mean()) / y.std() + 0.05 * np.random.randn(N)).astype(np.float32).reshape(-1, 1)

X_train, y_train = torch.from_numpy(X[:5000]), torch.from_numpy(y[:5000])
X_test, y_test = torch.from_numpy(X[5000:]), torch.from_numpy(y[5000:])

n_nodes_hl1 = 100
n_nodes_hl2 = 100
n_nodes_hl3 = 100
n_nodes_hl4 = 100
batch_size = 50
hm_epochs = 30


class NeuralNetworkModel(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden_1_layer = nn.Linear(n_bits, n_nodes_hl1)
        self.hidden_2_layer = nn.Linear(n_nodes_hl1, n_nodes_hl2)
        self.hidden_3_layer = nn.Linear(n_nodes_hl2, n_nodes_hl3)
        self.hidden_4_layer = nn.Linear(n_nodes_hl3, n_nodes_hl4)
        self.output_layer = nn.Linear(n_nodes_hl4, 1)

    def forward(self, data):
        l1 = torch.sigmoid(self.hidden_1_layer(data))
        l2 = torch.sigmoid(self.hidden_2_layer(l1))
        l3 = torch.sigmoid(self.hidden_3_layer(l2))
        l4 = torch.sigmoid(self.hidden_4_layer(l3))
        return self.output_layer(l4)


model = NeuralNetworkModel()
cost_fn = nn.MSELoss()
optimizer = torch.optim.SGD(model.parameters(), lr=0.02)

for epoch in range(hm_epochs):
    epoch_loss = 0.0
    perm = torch.randperm(len(X_train))
    for i in range(0, len(X_train), batch_size):
        idx = perm[i:i + batch_size]
        optimizer.zero_grad()
        prediction = model(X_train[idx])
        cost = cost_fn(prediction, y_train[idx])
        cost.backward()
        optimizer.step()
        epoch_loss += cost.item() * len(idx)
    with torch.no_grad():
        val = cost_fn(model(X_test), y_test).item()
    print('Epoch', epoch + 1, 'completed out of', hm_epochs, 'loss:', epoch_loss / len(X_train), 'test loss:', val)

with torch.no_grad():
    pred = model(X_test)
    r2 = 1 - ((pred - y_test) ** 2).sum().item() / ((y_test - y_test.mean()) ** 2).sum().item()
print('RESULT ' + json.dumps({"metric": "test R2", "value": round(r2, 4)}))
