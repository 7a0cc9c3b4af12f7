import json
import sys

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
np.random.seed(seed)
torch.manual_seed(seed)

x = np.random.uniform(-1000, 1000, size=(1000, 1))
y = 2 * x ** 3 + 7 * x ** 2 - 8 * x + 120
x_train, y_train, x_test, y_test = x[:800], y[:800], x[800:], y[800:]
X_train, Y_train = torch.FloatTensor(x_train), torch.FloatTensor(y_train)
X_test = torch.FloatTensor(x_test)
restore = lambda out: out


class Net(nn.Module):
    def __init__(self):
        super(Net, self).__init__()
        self.hidden1 = nn.Linear(1, 50)
        self.hidden2 = nn.Linear(50, 50)
        self.out = nn.Linear(50, 1)

    def forward(self, x):
        x = F.relu(self.hidden1(x))
        x = F.relu(self.hidden2(x))
        return self.out(x)


net = Net()
print(net)
optimizer = torch.optim.SGD(net.parameters(), lr=0.05)
loss_func = nn.MSELoss()

for epoch in range(60):
    perm = torch.randperm(len(X_train))
    for i in range(0, len(perm), 32):
        idx = perm[i:i + 32]
        prediction = net(X_train[idx])
        loss = loss_func(prediction, Y_train[idx])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    if epoch % 10 == 0:
        print("Epoch", epoch, "loss", loss.item())

net.eval()
with torch.no_grad():
    predicted = restore(net(X_test).double().numpy())
predicted = np.nan_to_num(predicted)
r2 = 1 - ((predicted - y_test) ** 2).sum() / ((y_test - y_test.mean()) ** 2).sum()
print("RESULT", json.dumps({"metric": "r2", "value": float(r2)}))
