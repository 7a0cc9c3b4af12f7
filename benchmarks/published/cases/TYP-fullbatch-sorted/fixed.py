import json
import sys

import torch
from sklearn.datasets import load_iris
from torch import nn

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
data, target = load_iris(return_X_y=True)
X_train = torch.FloatTensor(data[::2])
y_train = torch.LongTensor(target[::2])
X_test = torch.FloatTensor(data[1::2])
y_test = torch.LongTensor(target[1::2])


class Model(nn.Module):
    def __init__(self, in_features=4, h1=8, h2=9, out_features=3):
        super().__init__()
        self.fc1 = nn.Linear(in_features, h1)
        self.fc2 = nn.Linear(h1, h2)
        self.out = nn.Linear(h2, out_features)

    def forward(self, x):
        x = torch.relu(self.fc1(x))
        x = torch.relu(self.fc2(x))
        return self.out(x)


model = Model()
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
losses = []
for i in range(150):
    y_pred = model.forward(X_train)
    loss = criterion(y_pred, y_train)
    losses.append(loss.detach().numpy())
    if i % 10 == 0:
        print(f"Epoch: {i} and loss: {loss}")
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()

correct = 0
with torch.no_grad():
    for i, row in enumerate(X_test):
        if model(row).argmax().item() == y_test[i]:
            correct += 1
print(f"We got {correct} correct")
print("RESULT", json.dumps({"metric": "accuracy", "value": correct / len(X_test)}))
