import json
import sys

import torch
import torch.nn as nn
from torch.utils.data import DataLoader, TensorDataset

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)


class CNN(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 5, padding=2)
        self.conv2 = nn.Conv2d(8, 16, 3, padding=1)
        self.fc = nn.Linear(16 * 16 * 16, 10)

    def forward(self, x):
        x = torch.relu(self.conv1(x))
        x = torch.relu(self.conv2(x))
        return self.fc(x.view(x.size(0), -1))


def initialise(model):
    for p in model.parameters():
        if p.dim() > 1:
            nn.init.kaiming_normal_(p)
        else:
            nn.init.zeros_(p)


# ten kinds of 16x16 colour pictures
templates = torch.rand(10, 3, 16, 16)
labels = torch.randint(10, (1500,))
pictures = (templates[labels] - 0.5) / 0.29 + 1.5 * torch.randn(1500, 3, 16, 16)
train_loader = DataLoader(TensorDataset(pictures[:1100], labels[:1100]), batch_size=64, shuffle=True)
x_test, y_test = pictures[1100:], labels[1100:]

model = CNN()
initialise(model)
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
for epoch in range(3):
    for i, (x, y) in enumerate(train_loader):
        optimizer.zero_grad()
        loss = criterion(model(x), y)
        loss.backward()
        optimizer.step()
        if i % 6 == 0:
            print(f"epoch {epoch} batch {i}: loss {loss.item():.4f}")
    with torch.no_grad():
        accuracy = (model(x_test).argmax(1) == y_test).float().mean().item()
    print(f"epoch {epoch}: test accuracy {accuracy:.3f}")
print("RESULT", json.dumps({"metric": "accuracy", "value": accuracy}))
