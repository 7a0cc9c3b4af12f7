import json
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)

X, y = load_digits(return_X_y=True)
X = torch.tensor(X / 16.0, dtype=torch.float32).reshape(-1, 1, 8, 8)
y = torch.tensor(y)
tr, te = train_test_split(range(len(X)), test_size=400, random_state=seed)


class CNN(nn.Module):
    def __init__(self):
        super(CNN, self).__init__()
        self.conv1 = nn.Conv2d(1, 16, 3, padding=1)
        self.conv2 = nn.Conv2d(16, 32, 3, padding=1)
        self.conv3 = nn.Conv2d(32, 32, 3, padding=1)
        self.fc1 = nn.Linear(32 * 2 * 2, 64)
        self.fc2 = nn.Linear(64, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.relu(self.conv2(x))
        x = F.max_pool2d(F.relu(self.conv3(x)), 2)
        x = x.flatten(1)
        return self.fc2(F.relu(self.fc1(x)))


net = CNN()
optimizer = torch.optim.SGD(net.parameters(), lr=0.02, momentum=0.9)
train_loader = torch.utils.data.DataLoader(
    torch.utils.data.TensorDataset(X[tr], y[tr]), batch_size=32, shuffle=True)

for epoch in range(1, 9):
    net.train()
    running = 0
    for images, labels in train_loader:
        optimizer.zero_grad()
        loss = F.cross_entropy(net(images), labels)
        loss.backward()
        optimizer.step()
        running += loss.item()
    net.eval()
    with torch.no_grad():
        acc = (net(X[te]).argmax(1) == y[te]).float().mean().item()
    print("Epoch %d  loss %.4f  test acc %.3f" % (epoch, running / len(train_loader), acc))

print("RESULT " + json.dumps({"metric": "accuracy", "value": acc}))
