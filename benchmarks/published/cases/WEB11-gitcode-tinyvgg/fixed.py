import json, sys
import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
torch.set_num_threads(1)
device = "cpu"


def smooth(a):
    for _ in range(2):
        a = (a + np.roll(a, 1, -1) + np.roll(a, -1, -1) + np.roll(a, 1, -2) + np.roll(a, -1, -2)) / 5
    return a


def make_images(n, templates, rng):
    y = rng.randint(0, 10, n)
    x = np.empty((n, 1, 16, 16), dtype=np.float32)
    for i in range(n):
        img = np.roll(templates[y[i]], (rng.randint(-1, 2), rng.randint(-1, 2)), (0, 1))
        x[i, 0] = rng.uniform(0.8, 1.2) * img + 0.8 * rng.randn(16, 16)
    return TensorDataset(torch.tensor(x), torch.tensor(y))


rng = np.random.RandomState(seed)
templates = smooth(rng.randn(10, 16, 16))
templates = (templates - templates.mean((1, 2), keepdims=True)) / templates.std((1, 2), keepdims=True)
train_data, test_data = make_images(4000, templates, rng), make_images(1500, templates, rng)
train_dataloader = DataLoader(train_data, batch_size=32, shuffle=True)
test_dataloader = DataLoader(test_data, batch_size=32, shuffle=False)


class FashionMNISTModelV2(nn.Module):
    """Model architecture copying TinyVGG."""

    def __init__(self, input_shape, hidden_units, output_shape):
        super().__init__()
        self.block_1 = nn.Sequential(
            nn.Conv2d(input_shape, hidden_units, 3, stride=1, padding=1), nn.ReLU(),
            nn.Conv2d(hidden_units, hidden_units, 3, stride=1, padding=1), nn.ReLU(),
            nn.MaxPool2d(kernel_size=2, stride=2))
        self.block_2 = nn.Sequential(
            nn.Conv2d(hidden_units, hidden_units, 3, padding=1), nn.ReLU(),
            nn.Conv2d(hidden_units, hidden_units, 3, padding=1), nn.ReLU(),
            nn.MaxPool2d(2))
        self.classifier = nn.Sequential(nn.Flatten(), nn.Linear(hidden_units * 4 * 4, output_shape))

    def forward(self, x):
        return self.classifier(self.block_2(self.block_1(x)))


def accuracy_fn(y_true, y_pred):
    return (y_true == y_pred).sum().item() / len(y_true) * 100


def train_step(model, data_loader, loss_fn, optimizer, accuracy_fn, device):
    train_loss, train_acc = 0, 0
    model.to(device)
    model.train()
    for X, y in data_loader:
        y_pred = model(X)
        loss = loss_fn(y_pred, y)
        train_loss += loss.item()
        train_acc += accuracy_fn(y, y_pred.argmax(dim=1))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(f"Train loss: {train_loss / len(data_loader):.5f} | Train accuracy: {train_acc / len(data_loader):.2f}%")


def test_step(model, data_loader, loss_fn, accuracy_fn, device):
    test_loss, test_acc = 0, 0
    model.eval()
    with torch.inference_mode():
        for X, y in data_loader:
            test_pred = model(X)
            test_loss += loss_fn(test_pred, y).item()
            test_acc += accuracy_fn(y, test_pred.argmax(dim=1))
    print(f"Test loss: {test_loss / len(data_loader):.5f} | Test accuracy: {test_acc / len(data_loader):.2f}%")


torch.manual_seed(seed + 42)
model_2 = FashionMNISTModelV2(input_shape=1, hidden_units=10, output_shape=10).to(device)
loss_fn = nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(params=model_2.parameters(), lr=0.05)


epochs = 4
for epoch in range(epochs):
    print(f"Epoch: {epoch}\n---------")
    train_step(model_2, train_dataloader, loss_fn, optimizer, accuracy_fn, device)
    test_step(model_2, test_dataloader, loss_fn, accuracy_fn, device)

model_2.eval()
correct = 0
with torch.inference_mode():
    for X, y in test_dataloader:
        correct += (model_2(X).argmax(1) == y).sum().item()
print("RESULT " + json.dumps({"metric": correct / len(test_data)}))
