import json
import sys

import numpy as np
import torch
import torch.nn as nn
from sklearn.datasets import make_classification
from sklearn.metrics import classification_report, f1_score
from sklearn.model_selection import train_test_split
from torch.utils.data import DataLoader, TensorDataset

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
np.random.seed(seed)

X, y = make_classification(
    4000, 12, n_informative=5, n_redundant=2, weights=[0.96], flip_y=0.0, class_sep=0.5, random_state=seed
)
X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, test_size=0.3, random_state=seed)
train_ds = TensorDataset(torch.from_numpy(X_train).float(), torch.from_numpy(y_train).float())
train_dl = DataLoader(train_ds, batch_size=128, shuffle=True)


class FraudDetector(nn.Module):
    def __init__(self, n_features):
        super().__init__()
        self.linear1 = nn.Linear(n_features, 24)
        self.linear2 = nn.Linear(24, 12)
        self.linear3 = nn.Linear(12, 1)

    def forward(self, x):
        x = torch.relu(self.linear1(x))
        x = torch.relu(self.linear2(x))
        return self.linear3(x)


model = FraudDetector(12)
criterion = nn.BCEWithLogitsLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=0.002)
for epoch in range(8):
    model.train()
    losses = []
    for xb, yb in train_dl:
        optimizer.zero_grad()
        loss = criterion(model(xb).flatten(), yb)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    model.eval()
    with torch.no_grad():
        y_pred = (torch.sigmoid(model(torch.from_numpy(X_test).float()).flatten()) > 0.5).int()
    accuracy = (y_pred == torch.from_numpy(y_test)).float().mean().item()
    print(f"epoch {epoch}: loss {np.mean(losses):.4f}, accuracy {accuracy:.4f}")

print(classification_report(y_test, y_pred.numpy(), zero_division=0))
print("RESULT", json.dumps({"metric": "f1", "value": f1_score(y_test, y_pred.numpy(), zero_division=0)}))
