import json
import sys

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import nn
from torch.optim.lr_scheduler import ExponentialLR


def get_loaders(seed):
    digits = load_digits()
    g = torch.Generator().manual_seed(seed)
    perm = torch.randperm(len(digits.target), generator=g)
    images = torch.tensor(digits.images, dtype=torch.float32)[perm, None] / 16
    labels = torch.tensor(digits.target)[perm]
    train = torch.utils.data.TensorDataset(images[:1400], labels[:1400])
    return torch.utils.data.DataLoader(train, 64, shuffle=True), images[1400:], labels[1400:]


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.c1 = nn.Conv2d(1, 8, 3)
        self.c2 = nn.Conv2d(8, 16, 3)
        self.f = nn.Linear(16 * 16, 10)

    def forward(self, x):
        x = F.relu(self.c1(x))
        x = F.relu(self.c2(x))
        return self.f(x.flatten(1))


seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
loader, x_test, y_test = get_loaders(seed)
net = Net()
optimizer = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
scheduler = ExponentialLR(optimizer, gamma=0.9)
for epoch in range(12):
    for x, y in loader:
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
    scheduler.step()
    with torch.no_grad():
        acc = (net(x_test).argmax(1) == y_test).float().mean().item()
    print(f"epoch {epoch + 1:2d} loss {loss.item():.4f} acc {acc:.4f}")
print("RESULT", json.dumps({"metric": "accuracy", "value": acc}))
