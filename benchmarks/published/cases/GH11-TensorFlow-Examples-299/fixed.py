import sys, json
import numpy as np
import torch
import torch.nn as nn
from sklearn.datasets import make_gaussian_quantiles
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
np.random.seed(seed)
torch.manual_seed(seed)

# Parameters
learning_rate = 0.1
num_steps = 4000
batch_size = 128
display_step = 500

# Network Parameters
n_hidden_1 = 64
n_hidden_2 = 64
num_input = 6
num_classes = 4

X, y = make_gaussian_quantiles(n_samples=16000, n_features=num_input, n_classes=num_classes, random_state=seed)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.25, random_state=seed, stratify=y)
scaler = StandardScaler().fit(X_train)
X_train = torch.tensor(scaler.transform(X_train), dtype=torch.float32)
X_test = torch.tensor(scaler.transform(X_test), dtype=torch.float32)
y_train, y_test = torch.tensor(y_train), torch.tensor(y_test)


class NeuralNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.h1 = nn.Linear(num_input, n_hidden_1)
        self.h2 = nn.Linear(n_hidden_1, n_hidden_2)
        self.out = nn.Linear(n_hidden_2, num_classes)

    def forward(self, x):
        layer_1 = torch.relu(self.h1(x))
        layer_2 = torch.relu(self.h2(layer_1))
        return self.out(layer_2)


model = NeuralNet()
loss_op = nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(model.parameters(), lr=learning_rate)

order = torch.randperm(len(X_train))
pos = 0
for step in range(1, num_steps + 1):
    if pos + batch_size > len(order):
        order, pos = torch.randperm(len(X_train)), 0
    idx = order[pos:pos + batch_size]
    pos += batch_size
    batch_x, batch_y = X_train[idx], y_train[idx]
    logits = model(batch_x)
    loss = loss_op(logits, batch_y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % display_step == 0 or step == 1:
        acc = (logits.argmax(1) == batch_y).float().mean().item()
        print("Step %d, Minibatch Loss= %.4f, Training Accuracy= %.3f" % (step, loss.item(), acc))

with torch.no_grad():
    acc = (model(X_test).argmax(1) == y_test).float().mean().item()
print("Testing Accuracy:", acc)
print("RESULT " + json.dumps({"metric": "score", "value": round(acc, 4)}))
