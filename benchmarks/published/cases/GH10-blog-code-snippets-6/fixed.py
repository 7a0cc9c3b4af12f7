import json
import random
import sys

import numpy as np
import torch
import torch.nn as nn

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
random.seed(seed)
np.random.seed(seed)
torch.manual_seed(seed)

#####################
# Set parameters
#####################

# Data params
noise_var = 0.05
num_datapoints = 600
test_size = 0.2

# Network params
input_size = 20
per_element = True
lstm_input_size = 1 if per_element else input_size
h1 = 32
output_dim = 1
num_layers = 1
learning_rate = 5e-3
num_epochs = 200

#####################
# Generate data
#####################


class ARData:
    def __init__(self, num_datapoints, coeffs, num_prev, test_size, noise_var):
        self.num_datapoints = num_datapoints
        self.coeffs = coeffs
        series = list(np.random.normal(0, 1, len(coeffs)))
        for _ in range(num_datapoints + num_prev + 100):
            prev = series[-len(coeffs):][::-1]
            series.append(float(np.dot(coeffs, prev)) + np.random.normal(0, np.sqrt(noise_var)))
        series = np.array(series[100 + len(coeffs):])
        series = (series - series.mean()) / series.std()
        self.X = np.stack([series[i:i + num_prev] for i in range(num_datapoints)])
        self.y = series[num_prev:num_prev + num_datapoints]
        split = int(num_datapoints * (1 - test_size))
        self.X_train, self.X_test = self.X[:split], self.X[split:]
        self.y_train, self.y_test = self.y[:split], self.y[split:]


data = ARData(num_datapoints, coeffs=[1.5, -0.6, 0.3, -0.25], num_prev=input_size,
              test_size=test_size, noise_var=noise_var)

# make training and test sets in torch
X_train = torch.from_numpy(data.X_train).type(torch.Tensor)
X_test = torch.from_numpy(data.X_test).type(torch.Tensor)
y_train = torch.from_numpy(data.y_train).type(torch.Tensor).view(-1)
y_test = torch.from_numpy(data.y_test).type(torch.Tensor).view(-1)

X_train = X_train.t().reshape(input_size, -1, 1)
X_test = X_test.t().reshape(input_size, -1, 1)

#####################
# Build model
#####################


class LSTM(nn.Module):
    def __init__(self, input_dim, hidden_dim, output_dim=1, num_layers=1):
        super(LSTM, self).__init__()
        self.input_dim = input_dim
        self.hidden_dim = hidden_dim
        self.num_layers = num_layers
        self.lstm = nn.LSTM(self.input_dim, self.hidden_dim, self.num_layers)
        self.linear = nn.Linear(self.hidden_dim, output_dim)

    def forward(self, input):
        # lstm_out: [input_size, batch_size, hidden_dim]
        lstm_out, _ = self.lstm(input)
        y_pred = self.linear(lstm_out[-1])
        return y_pred.view(-1)


model = LSTM(lstm_input_size, h1, output_dim=output_dim, num_layers=num_layers)
loss_fn = nn.MSELoss()
optimiser = torch.optim.Adam(model.parameters(), lr=learning_rate)

#####################
# Train model
#####################

hist = np.zeros(num_epochs)
for t in range(num_epochs):
    y_pred = model(X_train)
    loss = loss_fn(y_pred, y_train)
    if t % 50 == 0:
        print('Epoch ', t, 'MSE: ', loss.item())
    hist[t] = loss.item()
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()

model.eval()
with torch.no_grad():
    test_mse = loss_fn(model(X_test), y_test).item()
r2 = 1 - test_mse / y_test.var(unbiased=False).item()
print('test MSE', test_mse)
print('RESULT ' + json.dumps({'test_r2': r2}))
