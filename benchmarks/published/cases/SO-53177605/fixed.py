import json
import sys

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
np.random.seed(seed)
torch.manual_seed(seed)

# many draws of the four XOR rows
corners = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], dtype=np.float32)
answers = np.array([0, 1, 1, 0], dtype=np.float32)
rows = np.random.randint(0, 4, size=2000)
x_train = torch.from_numpy(corners[rows])
y_train = torch.from_numpy(answers[rows]).unsqueeze(1)
rows = np.random.randint(0, 4, size=400)
x_test = torch.from_numpy(corners[rows])
y_test = torch.from_numpy(answers[rows]).unsqueeze(1)

HIDDEN = 16


class Xor(nn.Module):
    def __init__(self, hidden):
        super().__init__()
        self.a = nn.Linear(2, hidden)
        self.b = nn.Linear(hidden, hidden)
        self.c = nn.Linear(hidden, hidden)
        self.d = nn.Linear(hidden, 1)

    def forward(self, x):
        x = F.relu(self.a(x))
        x = F.relu(self.b(x))
        x = F.relu(self.c(x))
        return torch.sigmoid(self.d(x))


model = Xor(HIDDEN)
opt = torch.optim.Adam(model.parameters(), lr=0.001)

for epoch in range(200):
    for idx in torch.randperm(2000).split(200):
        opt.zero_grad()
        loss = F.binary_cross_entropy(model(x_train[idx]), y_train[idx])
        loss.backward()
        opt.step()
    if (epoch + 1) % 20 == 0:
        print("epoch", epoch + 1, "loss %.4f" % loss.item())

with torch.no_grad():
    acc = ((model(x_test) > 0.5).float() == y_test).float().mean().item()
print("RESULT " + json.dumps({"metric": "accuracy", "value": round(acc, 4)}))
