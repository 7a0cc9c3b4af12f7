# Lab 11 MNIST and Deep learning CNN
import json
import sys

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)  # reproducibility
np.random.seed(seed)
torch.set_num_threads(1)

X, Y = load_digits(return_X_y=True)
X = ((X - X.mean()) / X.std()).astype(np.float32)
train_x, test_x, train_y, test_y = map(torch.as_tensor, train_test_split(X, Y, test_size=0.25, random_state=seed))

# hyper parameters
learning_rate = 0.001
training_epochs = 25
batch_size = 50


class Model(nn.Module):

    def __init__(self, name):
        super().__init__()
        self.name = name
        self._build_net()
        # define cost/loss & optimizer
        self.optimizer = torch.optim.Adam(self.parameters(), lr=learning_rate)

    def _build_net(self):
        # dropout (keep_prob) rate  0.7~0.5 on training, but should be 1
        # for testing

        # Convolutional Layer #1
        self.conv1 = nn.Conv2d(1, 16, 3, padding=1)
        # Pooling Layer #1
        self.pool1 = nn.MaxPool2d(2, 2)
        self.dropout1 = nn.Dropout(p=0.3)

        # Convolutional Layer #2 and Pooling Layer #2
        self.conv2 = nn.Conv2d(16, 32, 3, padding=1)
        self.pool2 = nn.MaxPool2d(2, 2)
        self.dropout2 = nn.Dropout(p=0.3)

        # Convolutional Layer #3 and Pooling Layer #3
        self.conv3 = nn.Conv2d(32, 64, 3, padding=1)
        self.pool3 = nn.MaxPool2d(2, 2)
        self.dropout3 = nn.Dropout(p=0.3)

        # Dense Layer with Relu
        self.dense4 = nn.Linear(64 * 1 * 1, 64)
        self.dropout4 = nn.Dropout(p=0.5)

        # Logits (no activation) Layer: L5 Final FC 64 inputs -> 10 outputs
        self.dense5 = nn.Linear(64, 10)

    def forward(self, x):
        X_img = x.view(-1, 1, 8, 8)
        x = self.dropout1(self.pool1(F.relu(self.conv1(X_img))))
        x = self.dropout2(self.pool2(F.relu(self.conv2(x))))
        x = self.dropout3(self.pool3(F.relu(self.conv3(x))))
        flat = x.view(-1, 64 * 1 * 1)
        x = self.dropout4(F.relu(self.dense4(flat)))
        return self.dense5(x)

    @torch.no_grad()
    def get_accuracy(self, x_test, y_test):
        self.eval()
        return (self(x_test).argmax(1) == y_test).float().mean().item()

    def train_model(self, x_data, y_data):
        self.train()
        cost = F.cross_entropy(self(x_data), y_data)
        self.optimizer.zero_grad()
        cost.backward()
        self.optimizer.step()
        return cost.item()


m1 = Model("m1")

print('Learning Started!')

# train my model
for epoch in range(training_epochs):
    avg_cost = 0
    total_batch = len(train_x) // batch_size
    perm = torch.randperm(len(train_x))

    for i in range(total_batch):
        idx = perm[i * batch_size:(i + 1) * batch_size]
        c = m1.train_model(train_x[idx], train_y[idx])
        avg_cost += c / total_batch

    print('Epoch:', '%04d' % (epoch + 1), 'cost =', '{:.9f}'.format(avg_cost))

print('Learning Finished!')

# Test model and check accuracy
acc = m1.get_accuracy(test_x, test_y)
print('Accuracy:', acc)
print("RESULT " + json.dumps({"metric": "test accuracy", "value": acc}))
