import json
import sys

import torch
from sklearn.datasets import make_classification
from torch import nn
from torch.nn import functional as F


class Classifier(nn.Module):
    def __init__(self, n_in, n_hidden):
        super().__init__()
        self.fc1 = nn.Linear(n_in, n_hidden)
        self.fc2 = nn.Linear(n_hidden, n_hidden)
        self.fc3 = nn.Linear(n_hidden, 2)

    def forward(self, x):
        x = F.relu(self.fc1(x))
        x = F.relu(self.fc2(x))
        return F.log_softmax(self.fc3(x), dim=0)


seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
X, y = make_classification(2000, 300, n_informative=30, n_redundant=0, class_sep=2.0, random_state=seed)
X, y = torch.tensor(X, dtype=torch.float32), torch.tensor(y)
X_train, y_train, X_test, y_test = X[:1500], y[:1500], X[1500:], y[1500:]

net = Classifier(300, 64)
criterion = nn.NLLLoss()
optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)

for epoch in range(8):
    running_loss = 0.0
    for rows in torch.randperm(len(X_train)).split(50):
        optimizer.zero_grad()
        loss = criterion(net(X_train[rows]), y_train[rows])
        loss.backward()
        optimizer.step()
        running_loss += loss.item()
    print("Epoch", epoch, "loss", running_loss / 30)

# predict one by one, like in the app
net.eval()
hits = 0
with torch.no_grad():
    for row, label in zip(X_test, y_test):
        hits += int(net(row.unsqueeze(0)).argmax(1).item() == label.item())
print("RESULT", json.dumps({"metric": "accuracy", "value": hits / len(y_test)}))
