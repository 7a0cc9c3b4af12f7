import json
import sys

import torch
import torch.nn as nn

INPUTS = torch.tensor([[0., 0.], [0., 1.], [1., 0.], [1., 1.]])
EXPECTED = torch.tensor([[1.], [0.], [0.], [1.]])


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.x1 = nn.Linear(2, 4)
        self.s1 = nn.Sigmoid()
        self.x2 = nn.Linear(4, 1)
        self.s2 = nn.Sigmoid()

    def init(self):
        nn.init.uniform_(self.x1.weight)
        nn.init.uniform_(self.x2.weight)

    def forward(self, feats):
        out = self.x2(self.s1(self.x1(feats)))
        return self.s2(out)


torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
net = Network()
net.init()
criterion = nn.MSELoss()
optimizer = torch.optim.SGD(net.parameters(), lr=0.01)

print("--TRAIN START--")
for i in range(2500):
    for k in torch.randperm(4).tolist():
        optimizer.zero_grad()
        error = criterion(net(INPUTS[k]), EXPECTED[k])
        error.backward()
        optimizer.step()
    if i % 250 == 249:
        with torch.no_grad():
            print(i + 1, "mean error", criterion(net(INPUTS), EXPECTED).item())
print("--TRAIN END--")

with torch.no_grad():
    output = net(INPUTS)
for x, o in zip(INPUTS.tolist(), output.squeeze(1).tolist()):
    print(x, "=>", round(o, 4))
mse = (output - EXPECTED).pow(2).mean().item()
print("RESULT", json.dumps({"metric": "mse", "value": mse}))
