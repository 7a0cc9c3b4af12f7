# one-layer network  o = W x + b,  J = (t - o)^2,  online learning
import sys, json
import numpy as np
import torch
import torch.nn as nn

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
np.random.seed(seed)
torch.set_num_threads(1)

N_IN, N_OUT = 8, 6

# sensor features in [0.5, 1], six consumptions (all positive) to be predicted
A = np.random.uniform(-1.0, 3.0, size=(N_IN, N_OUT))


def sample(n):
    x = np.random.uniform(0.5, 1.0, size=(n, N_IN))
    t = x @ A + 4.0 + 0.05 * np.random.randn(n, N_OUT)
    return torch.tensor(x, dtype=torch.float32), torch.tensor(t, dtype=torch.float32)


x_train, t_train = sample(1500)
x_test, t_test = sample(500)
print('smallest target: %.2f' % t_train.min().item())


class OneLayer(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Linear(N_IN, N_OUT)

    def forward(self, x):
        return self.a(x)


net = OneLayer()
opt = torch.optim.SGD(net.parameters(), lr=0.1)

for epoch in range(8):
    total = 0.0
    for i in np.random.permutation(len(x_train)):
        o = net(x_train[i])
        J = ((t_train[i] - o) ** 2).mean()
        opt.zero_grad()
        J.backward()
        opt.step()
        total += J.item()
    print('epoch %2d  J = %.5f' % (epoch, total / len(x_train)))

with torch.no_grad():
    rmse = ((net(x_test) - t_test) ** 2).mean().sqrt().item()
print('RESULT ' + json.dumps({"metric": "test_rmse", "value": round(rmse, 5)}))
