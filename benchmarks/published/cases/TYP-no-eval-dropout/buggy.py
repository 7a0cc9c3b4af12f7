import json
import sys

import torch
import torch.nn as nn
from sklearn.datasets import load_digits
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(64, 64)
        self.drop1 = nn.Dropout(0.6)
        self.fc2 = nn.Linear(64, 32)
        self.drop2 = nn.Dropout(0.6)
        self.fc3 = nn.Linear(32, 10)

    def forward(self, x):
        x = self.drop1(torch.relu(self.fc1(x)))
        x = self.drop2(torch.relu(self.fc2(x)))
        return self.fc3(x)


def check_accuracy(loader, model):
    num_correct = num_samples = 0
    with torch.no_grad():
        for x, y in loader:
            scores = model(x)
            _, predictions = scores.max(1)
            num_correct += (predictions == y).sum()
            num_samples += predictions.size(0)
    model.train()
    return float(num_correct) / float(num_samples)


digits = load_digits()
x = torch.tensor(digits.data / 16, dtype=torch.float32)
y = torch.tensor(digits.target)
perm = torch.randperm(len(x))
train_loader = DataLoader(TensorDataset(x[perm[:1400]], y[perm[:1400]]), batch_size=32, shuffle=True)
test_loader = DataLoader(TensorDataset(x[perm[1400:]], y[perm[1400:]]), batch_size=64)
model = Net()
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
for epoch in range(20):
    for data, targets in train_loader:
        scores = model(data)
        loss = criterion(scores, targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    acc = check_accuracy(test_loader, model)
    print(f"epoch {epoch}: accuracy on test set {acc * 100:.2f}")
print("RESULT", json.dumps({"metric": "accuracy", "value": acc}))
