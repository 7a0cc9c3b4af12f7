"""A plain 1-D CNN on MNIST-1D (data made on the spot by the package)."""
import json
import sys

import torch
import torch.nn as nn
import torch.optim as optim
from mnist1d.data import get_dataset_args, make_dataset
from torch.utils.data import DataLoader, TensorDataset

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.set_num_threads(1)

args = get_dataset_args()
args.num_samples = 6000
args.seed = 42 + seed
data = make_dataset(args)
torch.manual_seed(seed)


def dataset(x, y):
    return TensorDataset(torch.tensor(x, dtype=torch.float32).unsqueeze(1), torch.tensor(y, dtype=torch.long))


n_val = 600
train_set = dataset(data["x"][:-n_val], data["y"][:-n_val])
val_set = dataset(data["x"][-n_val:], data["y"][-n_val:])
test_set = dataset(data["x_test"], data["y_test"])
train_loader = DataLoader(train_set, batch_size=64, shuffle=True)
val_loader = DataLoader(val_set, batch_size=300)
test_loader = DataLoader(test_set, batch_size=300)


class Net(nn.Module):
    def __init__(self, channels=48):
        super().__init__()
        self.conv1 = nn.Conv1d(1, channels, 5, stride=2, padding=2)
        self.conv2 = nn.Conv1d(channels, channels, 3, stride=2, padding=1)
        self.conv3 = nn.Conv1d(channels, channels, 3, stride=2, padding=1)
        self.drop = nn.Dropout(0.25)
        self.fc = nn.Linear(channels * 5, 10)

    def forward(self, x):
        x = torch.relu(self.conv1(x))
        x = torch.relu(self.conv2(x))
        x = torch.relu(self.conv3(x))
        return self.fc(self.drop(x.flatten(1)))


net = Net()
criterion = nn.CrossEntropyLoss()
optimizer = optim.Adam(net.parameters(), lr=2e-3)
scheduler = optim.lr_scheduler.MultiStepLR(optimizer, milestones=[24, 32], gamma=0.3)


def test(loader):
    net.eval()
    loss, correct, n = 0.0, 0, 0
    with torch.no_grad():
        for x, y in loader:
            out = net(x)
            loss += criterion(out, y).item() * len(y)
            correct += (out.argmax(1) == y).sum().item()
            n += len(y)
    return loss / n, correct / n


for epoch in range(36):
    net.train()
    running = 0.0
    for x, y in train_loader:
        optimizer.zero_grad()
        loss = criterion(net(x), y)
        loss.backward()
        optimizer.step()
        running += loss.item() * len(y)
    scheduler.step()
    vl, va = test(val_loader)
    print(f"epoch {epoch + 1:2d}: train loss {running / len(train_set):.3f} | val loss {vl:.3f} acc {va:.3f}")

_, accuracy = test(test_loader)
print(f"test accuracy {accuracy:.3f} (published for 4000 training examples: logistic 0.32, MLP 0.68, CNN 0.94)")
print("RESULT " + json.dumps({"metric": "test_accuracy", "value": round(accuracy, 4), "good": bool(accuracy > 0.86)}))
