import json
import sys

import numpy as np
import torch
from torch.nn import Linear, MSELoss, functional as F

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
np.random.seed(seed)


def our_function(x):
    return 6 * x * x + 2 * x - 4


def data_generator(data_size=1000):
    x = np.random.randint(-1000, 1000, size=data_size).astype(np.float64)
    y = our_function(x)
    inputs = np.column_stack([x, x ** 2, x ** 3])
    labels = y.reshape(-1, 1)
    return inputs, labels


x_train, y_train = data_generator(1000)
x_test, y_test = data_generator(400)
y_scale = y_test.std()
in_mean, in_std = 0.0, 1.0
out_mean, out_std = 0.0, 1.0


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = Linear(3, 50)
        self.fc2 = Linear(50, 50)
        self.fc3 = Linear(50, 1)
        self.criterion = MSELoss()
        self.optimizer = torch.optim.Adam(self.parameters(), lr=0.01)

    def forward(self, x):
        x = F.relu(self.fc1(x))
        x = F.relu(self.fc2(x))
        return self.fc3(x)

    def train_model(self, inputs, labels, epochs=3000):
        inputs = torch.tensor((inputs - in_mean) / in_std, dtype=torch.float32)
        labels = torch.tensor((labels - out_mean) / out_std, dtype=torch.float32)
        for epoch in range(epochs):
            output = self(inputs)
            loss = self.criterion(output, labels)
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            if epoch % 250 == 0:
                print("epoch", epoch, "loss", loss.item())

    def predict(self, inputs):
        with torch.no_grad():
            out = self(torch.tensor((inputs - in_mean) / in_std, dtype=torch.float32))
        return out.numpy() * out_std + out_mean


net = Net()
net.train_model(x_train, y_train)
pred = net.predict(x_test)
rel = float(np.sqrt(np.mean((pred - y_test) ** 2)) / y_scale)
print("test rmse relative to the spread of y:", rel)
print("RESULT", json.dumps({"metric": "relative_rmse", "value": rel}))
