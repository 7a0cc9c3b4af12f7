import json
import sys

import torch
import torch.nn as nn

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)

x = torch.tensor([[0.5], [1.0], [0.4], [5.0], [25.0]])
y = -x / 2
x_new = torch.tensor([[0.8], [3.0], [10.0], [20.0]])
y_new = -x_new / 2

model = nn.Sequential()
model.append(nn.Linear(1, 1))
model.append(nn.ReLU())
model.append(nn.Linear(1, 9))
model.append(nn.ReLU())
model.append(nn.Linear(9, 1))
model.append(nn.ReLU())
for layer in model:
    if isinstance(layer, nn.Linear):
        nn.init.xavier_uniform_(layer.weight)
        nn.init.zeros_(layer.bias)

loss_fn = nn.MSELoss()
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
for epoch in range(600):
    optimizer.zero_grad()
    loss = loss_fn(model(x), y)
    loss.backward()
    optimizer.step()
    if epoch % 100 == 0:
        print(f"epoch {epoch}: loss {loss.item():.4f}")

with torch.no_grad():
    prediction = model(x_new)
print(prediction.flatten().tolist())
value = (loss_fn(prediction, y_new) / y_new.var(unbiased=False)).item()
print("RESULT", json.dumps({"metric": "mse / var(y)", "value": value}))
