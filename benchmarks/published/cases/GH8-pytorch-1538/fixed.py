import json
import sys

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn, optim
from torch.utils.data import DataLoader, TensorDataset

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
np.random.seed(seed)
torch.manual_seed(seed)

batch_size = 50
learning_rate = 2e-3
num_epoches = 20

X, y = load_digits(return_X_y=True)
perm = np.random.permutation(len(X))
X = torch.tensor(X[perm] / 16.0, dtype=torch.float32).view(-1, 1, 8, 8)
y = torch.tensor(y[perm], dtype=torch.long)
train_loader = DataLoader(TensorDataset(X[:1400], y[:1400]), batch_size=batch_size, shuffle=True)
test_loader = DataLoader(TensorDataset(X[1400:], y[1400:]), batch_size=batch_size, shuffle=False)


class Rnn(nn.Module):
    def __init__(self, in_dim, hidden_dim, n_layer, n_class):
        super(Rnn, self).__init__()
        self.n_layer = n_layer
        self.hidden_dim = hidden_dim
        self.lstm = nn.LSTM(in_dim, hidden_dim, n_layer, batch_first=True)
        self.classifier = nn.Linear(hidden_dim, n_class)

    def forward(self, x):
        out, _ = self.lstm(x)
        out = out[:, -1, :]
        out = self.classifier(out)
        return out


model = Rnn(8, 128, 2, 10)  # each row of the picture is one step
criterion = nn.CrossEntropyLoss()
optimizer = optim.Adam(model.parameters(), lr=learning_rate)

for epoch in range(num_epoches):
    model.train()
    running_loss = running_acc = 0.0
    for img, label in train_loader:
        img = img.squeeze(1)
        out = model(img)
        loss = criterion(out, label)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        running_loss += loss.item() * label.size(0)
        running_acc += (out.argmax(1) == label).sum().item()
    print("epoch {} Loss: {:.6f}, Acc: {:.6f}".format(epoch + 1, running_loss / 1400, running_acc / 1400))

model.eval()
eval_acc = 0
with torch.no_grad():
    for img, label in test_loader:
        eval_acc += (model(img.squeeze(1)).argmax(1) == label).sum().item()
print("RESULT", json.dumps({"metric": "test_accuracy", "value": eval_acc / 397}))
