import json
import sys

import torch
import torch.nn as nn
from sklearn.datasets import load_digits
from torch.utils.data import DataLoader, TensorDataset

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)


class Backbone(nn.Module):
    def __init__(self, num_classes=100):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(64, 128), nn.BatchNorm1d(128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU())
        self.fc = nn.Linear(64, num_classes)

    def forward(self, x):
        return self.fc(self.body(x))


model = Backbone()
# freeze the pretrained part, train only the new head
for p in model.body.parameters():
    p.requires_grad = False
model.fc = nn.Linear(64, 10)
optimizer = torch.optim.SGD(model.fc.parameters(), lr=0.05, momentum=0.9)
criterion = nn.CrossEntropyLoss()

data = load_digits()
X = torch.tensor(data.data / 16, dtype=torch.float32)
y = torch.tensor(data.target)
loaders = {
    "train": DataLoader(TensorDataset(X[:1400], y[:1400]), batch_size=64, shuffle=True),
    "val": DataLoader(TensorDataset(X[1400:], y[1400:]), batch_size=64),
}

for epoch in range(12):
    for phase in ("train", "val"):
        model.train(phase == "train")
        running_loss, running_corrects, seen = 0.0, 0, 0
        for inputs, labels in loaders[phase]:
            optimizer.zero_grad()
            with torch.set_grad_enabled(phase == "train"):
                outputs = model(inputs)
                _, preds = torch.max(outputs, 1)
                loss = criterion(outputs, labels)
                if phase == "train":
                    loss.backward()
                    optimizer.step()
            running_loss += loss.item() * inputs.size(0)
            running_corrects += torch.sum(preds == labels.data).item()
            seen += inputs.size(0)
        print(f"{epoch} {phase} Loss: {running_loss / seen:.4f} Acc: {running_corrects / seen:.4f}")

print("RESULT", json.dumps({"metric": "accuracy", "value": running_corrects / seen}))
