import json
import sys

import numpy as np
import torch
from sklearn.datasets import load_digits

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
rng = np.random.RandomState(seed)

X, y = load_digits(return_X_y=True)
perm = rng.permutation(len(X))
X = torch.tensor(X[perm] / 16.0, dtype=torch.float32).view(-1, 1, 8, 8)
y = torch.tensor(y[perm], dtype=torch.long)

batch_size = 32
training_set = torch.utils.data.TensorDataset(X[:1400], y[:1400])
test_set = torch.utils.data.TensorDataset(X[1400:], y[1400:])
training_loader = torch.utils.data.DataLoader(training_set, batch_size=batch_size, shuffle=True)
test_loader = torch.utils.data.DataLoader(test_set, batch_size=batch_size)


class Net(torch.nn.Module):
    def __init__(self):
        super(Net, self).__init__()
        self.layer1 = torch.nn.Linear(64, 100)
        self.layer2 = torch.nn.Linear(100, 10)

    def forward(self, x):
        x = torch.sigmoid(self.layer1(x))
        x = torch.sigmoid(self.layer2(x))
        return x


net = Net()
loss_function = torch.nn.MSELoss()
optimizer = torch.optim.SGD(net.parameters(), lr=0.2)


def test():
    correct = 0
    with torch.no_grad():
        for images, labels in test_loader:
            out = net(torch.flatten(images, 1))
            correct += (out.argmax(1) == labels).sum().item()
    return correct / len(test_set)


for epoch in range(10):
    running = 0.0
    for images, labels in training_loader:
        optimizer.zero_grad()
        for i in range(len(images)):
            output = net(torch.flatten(images[i]))
            desired_output = torch.tensor([float(j == labels[i]) for j in range(10)])
            loss = loss_function(output, desired_output)
            loss.backward()
            running += loss.item()
        optimizer.step()
    print("epoch %d loss %.5f test accuracy %.3f" % (epoch + 1, running / len(training_set), test()))

print(net(torch.flatten(test_set[0][0])).detach())
print("RESULT", json.dumps({"metric": "test_accuracy", "value": test()}))
