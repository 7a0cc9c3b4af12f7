import json
import sys

import numpy as np
import torch

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
rng = np.random.RandomState(seed)

L = 21
N = 24


def sequences(n):
    start = rng.uniform(0.0, 0.4, size=(n, 1))
    step = rng.uniform(0.01, 0.06, size=(n, 1))
    s = start + step * np.arange(L + 1)
    return (torch.tensor(s[:, :-1], dtype=torch.double).unsqueeze(2),
            torch.tensor(s[:, 1:], dtype=torch.double))


x, y = sequences(N)
x_val, y_val = sequences(32)

lstm = torch.nn.LSTM(input_size=1, hidden_size=100, num_layers=1, batch_first=True).to(torch.double)
linear = torch.nn.Linear(100, 1).to(torch.double)
criterion = torch.nn.MSELoss()
params = list(lstm.parameters()) + list(linear.parameters())
optimizer = torch.optim.Adam(params, lr=1e-3)


def run(x, y):
    n = x.size(0)
    hidden = (torch.zeros((1, n, 100), dtype=torch.double), torch.zeros((1, n, 100), dtype=torch.double))
    output, hidden = lstm(x, hidden)
    loss = 0.0
    for i in range(L):
        o = linear(output[:, i, :]).squeeze(1)
        loss = loss + criterion(o, y[:, i])
    return loss / L


for j in range(300):
    loss = run(x, y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if (j + 1) % 30 == 0:
        with torch.no_grad():
            print("iteration", j + 1, "loss", loss.item(), "val", run(x_val, y_val).item())

with torch.no_grad():
    hidden = (torch.zeros((1, 1, 100), dtype=torch.double), torch.zeros((1, 1, 100), dtype=torch.double))
    out_seq = linear(lstm(x_val[:1], hidden)[0]).squeeze()
    print("output (expected):", y_val[0, :6].numpy().round(3))
    print("output:", out_seq[:6].numpy().round(3))
    val = run(x_val, y_val).item()
print("RESULT", json.dumps({"metric": "val_mse", "value": val}))
