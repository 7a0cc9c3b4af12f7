"""Small image classifier."""
import json
import sys

import torch
import torch.nn as nn

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)

# pictures: a bar pattern, upright or inverted, on a noisy background
bars = torch.zeros(5, 3, 12, 12)
for k in range(5):
    bars[k, :, 2 * k:2 * k + 3, :] = 1.0
labels = torch.randint(5, (1500,))
sign = torch.randint(2, (1500,)).float() * 2 - 1
pictures = bars[labels] * sign.view(-1, 1, 1, 1) + 0.4 * torch.randn(1500, 3, 12, 12)
x_train, y_train = pictures[:1200], labels[:1200]
x_val, y_val = pictures[1000:1200], labels[1000:1200]
x_train, y_train = pictures[:1000], labels[:1000]
x_test, y_test = pictures[1200:], labels[1200:]

model = nn.Sequential(
    nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(),
    nn.Conv2d(8, 8, 3, padding=1), nn.ReLU(),
    nn.AvgPool2d(2),
    nn.Dropout(0.2),
    nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(),
    nn.Conv2d(16, 16, 3, padding=1), nn.ReLU(),
    nn.AvgPool2d(2),
    nn.Dropout(0.2),
    nn.Flatten(),
    nn.Linear(144, 64), nn.ReLU(),
    nn.Linear(64, 64), nn.ReLU(),
    nn.Dropout(0.2),
    nn.Linear(64, 5),
)
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
for epoch in range(12):
    model.train()
    for b in torch.randperm(len(x_train)).split(64):
        optimizer.zero_grad()
        loss = criterion(model(x_train[b]), y_train[b])
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        val_acc = (model(x_val).argmax(1) == y_val).float().mean().item()
    print(f"epoch {epoch + 1}: loss {loss.item():.4f}, val_acc {val_acc:.3f}")

with torch.no_grad():
    acc = (model(x_test).argmax(1) == y_test).float().mean().item()
print("RESULT", json.dumps({"metric": "accuracy", "value": acc}))
