import sys
import json
import numpy as np
import torch
import torch.nn as nn

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
rng = np.random.RandomState(seed)
torch.manual_seed(seed)

# solver
base_lr = 0.01
momentum = 0.9
weight_decay = 0.5
max_iter = 700
display = 50
batch_size = 64


def joints(n):
    yy, xx = np.mgrid[0:20, 0:20]
    head = rng.uniform(3, 16, size=(n, 2))
    hand = rng.uniform(3, 16, size=(n, 2))
    img = np.exp(-((yy - head[:, 0, None, None]) ** 2 + (xx - head[:, 1, None, None]) ** 2) / (2 * 2.2 ** 2))
    img -= np.exp(-((yy - hand[:, 0, None, None]) ** 2 + (xx - hand[:, 1, None, None]) ** 2) / (2 * 1.5 ** 2))
    img += rng.normal(0, 0.05, size=img.shape)
    img = (img - img.mean()) / img.std()
    coords = (np.concatenate([head, hand], axis=1) - 9.5) / 6.5
    return torch.tensor(img[:, None], dtype=torch.float32), torch.tensor(coords, dtype=torch.float32)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 12, 5, padding=2)
        self.conv2 = nn.Conv2d(12, 24, 3, padding=1)
        self.fc6 = nn.Linear(24 * 5 * 5, 64)
        self.fc7 = nn.Linear(64, 4)
        self.pool = nn.MaxPool2d(2)

    def forward(self, x):
        x = self.pool(torch.relu(self.conv1(x)))
        x = self.pool(torch.relu(self.conv2(x)))
        x = torch.relu(self.fc6(x.flatten(1)))
        return self.fc7(x)


train_x, train_y = joints(5000)
test_x, test_y = joints(800)

net = Net()
euclidean_loss = nn.MSELoss()
solver = torch.optim.SGD(net.parameters(), lr=base_lr, momentum=momentum, weight_decay=weight_decay)

for it in range(max_iter):
    net.train()
    idx = torch.randint(0, len(train_x), (batch_size,))
    loss = euclidean_loss(net(train_x[idx]), train_y[idx])
    solver.zero_grad()
    loss.backward()
    solver.step()
    if it % display == 0:
        net.eval()
        with torch.no_grad():
            out = net(test_x)
            test_loss = euclidean_loss(out, test_y).item()
        print("Iteration %d, loss = %.5f, test loss = %.5f, first outputs %s"
              % (it, loss.item(), test_loss, out[:3, 0].numpy().round(3)))

net.eval()
with torch.no_grad():
    pred = net(test_x)
r2 = 1 - ((pred - test_y) ** 2).sum().item() / ((test_y - test_y.mean(0)) ** 2).sum().item()
print("RESULT " + json.dumps({"metric": "R2 of the joint coordinates on test images", "value": r2}))
