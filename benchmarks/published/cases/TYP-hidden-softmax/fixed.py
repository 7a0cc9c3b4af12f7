import json
import sys

import torch
import torch.nn as nn
from sklearn import datasets, model_selection


class Feedforward(torch.nn.Module):
    def __init__(self, input_size, hidden_size, n_class):
        super(Feedforward, self).__init__()
        self.fc1 = nn.Linear(input_size, hidden_size)
        self.fc2 = nn.Linear(hidden_size, hidden_size)
        self.fc3 = nn.Linear(hidden_size, n_class)
        self.activation = nn.ReLU()

    def forward(self, x):
        hidden = self.activation(self.fc1(x))
        hidden = self.activation(self.fc2(hidden))
        return self.fc3(hidden)


torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
X, y = datasets.load_digits(return_X_y=True)
X = X / 16.0
xtr, xte, ytr, yte = model_selection.train_test_split(X, y, test_size=0.2, random_state=0)
xtr, xte = torch.FloatTensor(xtr), torch.FloatTensor(xte)
ytr, yte = torch.LongTensor(ytr), torch.LongTensor(yte)
model = Feedforward(64, 32, 10)
criterion = torch.nn.CrossEntropyLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=0.003)
for epoch in range(15):
    model.train()
    perm = torch.randperm(xtr.size(0))
    for i in range(0, xtr.size(0), 32):
        indices = perm[i:i + 32]
        optimizer.zero_grad()
        y_pred = model(xtr[indices])
        loss = criterion(y_pred, ytr[indices])
        loss.backward()
        optimizer.step()
    print("Epoch {}: train loss: {}".format(epoch, loss.item()))
model.eval()
_, guess = model(xte).max(1)
acc = (guess == yte).double().mean().item()
print("RESULT", json.dumps({"metric": "accuracy", "value": acc}))
