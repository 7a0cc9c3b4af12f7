import json
import sys

import torch
from torch.nn import Linear as Lin
from torch.nn import Sequential as Seq
from torch.optim.lr_scheduler import ReduceLROnPlateau

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)

X = torch.rand((1024, 3))
y = X[:, 0] + X[:, 1] + X[:, 2]
X_val = torch.rand((256, 3))
y_val = X_val[:, 0] + X_val[:, 1] + X_val[:, 2]

m = Seq(Lin(3, 1, bias=False))
m[0].weight = torch.nn.parameter.Parameter(torch.tensor([[0, 0, 0]], dtype=torch.float))

optim = torch.optim.SGD(m.parameters(), lr=10e-2)
scheduler = ReduceLROnPlateau(optim, 'min', factor=0.5, patience=20)
mse = torch.nn.MSELoss()
for epoch in range(1500):
    optim.zero_grad()
    out = m(X)
    loss = mse(out, y)
    loss.backward()
    optim.step()
    if epoch % 100 == 0:
        print(epoch, loss.item(), optim.param_groups[0]['lr'])
    scheduler.step(loss)

with torch.no_grad():
    val = (m(X_val).flatten() - y_val).pow(2).mean().item()
print('weights', m[0].weight.data.tolist())
print("RESULT", json.dumps({"metric": "val_mse", "value": val}))
