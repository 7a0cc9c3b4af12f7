import json
import sys

import torch
import torch.nn as nn
from sklearn.datasets import make_classification
from sklearn.model_selection import train_test_split
from torch.utils.data import DataLoader, TensorDataset

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)

X, y = make_classification(n_samples=1000, n_features=82, n_informative=20, random_state=seed)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.25, random_state=seed)
train_data = TensorDataset(torch.tensor(X_train, dtype=torch.float32),
                           torch.tensor(y_train, dtype=torch.float32).unsqueeze(-1))
test_data = TensorDataset(torch.tensor(X_test, dtype=torch.float32),
                          torch.tensor(y_test, dtype=torch.float32).unsqueeze(-1))


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(82, 256)
        self.fc2 = nn.Linear(256, 2)
        self.fc3 = nn.Linear(2, 1)
        self.tanh = nn.Tanh()
        self.final = nn.Softmax(dim=-1)

    def forward(self, x):
        x = self.tanh(self.fc1(x))
        x = self.tanh(self.fc2(x))
        return self.final(self.fc3(x))


def run_epoch(model, data, criterion, optimizer=None):
    model.train(optimizer is not None)
    loss_sum, correct = 0.0, 0
    for xb, yb in DataLoader(data, batch_size=32, shuffle=optimizer is not None):
        with torch.set_grad_enabled(optimizer is not None):
            prob = model(xb)
            loss = criterion(prob, yb)
        if optimizer is not None:
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        loss_sum += loss.item() * len(xb)
        correct += (prob.round() == yb).sum().item()
    return loss_sum / len(data), correct / len(data)


net = Net()
adam = torch.optim.Adam(net.parameters(), lr=0.001)
criterion = nn.BCELoss()
for epoch in range(5):
    train_loss, train_acc = run_epoch(net, train_data, criterion, adam)
    test_loss, test_acc = run_epoch(net, test_data, criterion)
    print(f"epoch {epoch + 1} | train {train_loss:.4f} / {train_acc:.3f} | test {test_loss:.4f} / {test_acc:.3f}")

print("RESULT " + json.dumps({"metric": "accuracy", "value": round(test_acc, 4)}))
