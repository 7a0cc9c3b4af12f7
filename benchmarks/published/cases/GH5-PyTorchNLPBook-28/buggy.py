import json
import sys

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim
from torch.utils.data import DataLoader, TensorDataset

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
rng = np.random.default_rng(seed)

LETTERS = "abcdefghijklmnopqrstuvwxyz"
NATIONS = 8


def surnames(n, habits):
    """Names drawn letter by letter; each nationality has its own letter habits."""
    nation = rng.integers(0, NATIONS, n)
    counts = np.zeros((n, len(LETTERS)), dtype=np.float32)
    for k in range(n):
        drawn = rng.choice(len(LETTERS), rng.integers(5, 11), p=habits[nation[k]])
        np.add.at(counts[k], drawn, 1)
    return torch.tensor(counts), torch.tensor(nation)


class SurnameClassifier(nn.Module):
    def __init__(self, input_dim, hidden_dim, output_dim):
        super().__init__()
        self.fc1 = nn.Linear(input_dim, hidden_dim)
        self.fc2 = nn.Linear(hidden_dim, hidden_dim)
        self.fc3 = nn.Linear(hidden_dim, output_dim)

    def forward(self, x_in, apply_softmax=False):
        intermediate = F.dropout(F.relu(self.fc1(x_in)), p=0.5)
        intermediate = F.dropout(F.relu(self.fc2(intermediate)), p=0.5)
        prediction = self.fc3(intermediate)
        if apply_softmax:
            prediction = F.softmax(prediction, dim=1)
        return prediction


habits = rng.dirichlet(np.full(len(LETTERS), 0.6), NATIONS)
train_loader = DataLoader(TensorDataset(*surnames(3000, habits)), batch_size=64, shuffle=True)
test_x, test_y = surnames(800, habits)

classifier = SurnameClassifier(len(LETTERS), 40, NATIONS)
loss_func = nn.CrossEntropyLoss()
optimizer = optim.Adam(classifier.parameters(), lr=0.001)

for epoch_index in range(30):
    classifier.train()
    running_loss = 0.0
    for batch_index, (x, y) in enumerate(train_loader):
        optimizer.zero_grad()
        loss = loss_func(classifier(x), y)
        loss.backward()
        optimizer.step()
        running_loss += (loss.item() - running_loss) / (batch_index + 1)
    classifier.eval()
    with torch.no_grad():
        acc = (classifier(test_x).argmax(1) == test_y).float().mean().item()
    if epoch_index % 3 == 2:
        print(f"epoch {epoch_index + 1}  train loss {running_loss:.4f}  test acc {acc:.4f}")

print("RESULT", json.dumps({"metric": "accuracy", "value": acc}))
