import sys
import json
import math
import numpy as np
import torch
from torch import nn

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
np.random.seed(seed)
torch.manual_seed(seed)


class TimeSeries(object):
    """Curves like those of Lissajous, each with its own speed."""

    def __init__(self, nseries, seq_len):
        t = np.arange(seq_len + 1)[None, :]
        speed = np.random.uniform(0.15, 0.6, size=(nseries, 1)) * np.random.choice([-1, 1], size=(nseries, 1))
        phase = np.random.uniform(0, 2 * math.pi, size=(nseries, 1))
        x = np.sin(speed * t + phase)
        y = np.sin(2 * speed * t + phase * 0.5)
        self.data = np.stack([x, y], axis=2) + 0.01 * np.random.randn(nseries, seq_len + 1, 2)


class DataIteratorSequence(object):
    """Next point of the series at every step, in batches laid out as (time, batch, features)."""

    def __init__(self, series, batch_size, shuffle=True):
        data = torch.tensor(series, dtype=torch.float32)
        self.X, self.y = data[:, :-1], data[:, 1:]
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.time_steps, self.nfeatures = self.X.shape[1], self.X.shape[2]

    def __iter__(self):
        n = len(self.X)
        order = torch.randperm(n) if self.shuffle else torch.arange(n)
        for start in range(0, n - self.batch_size + 1, self.batch_size):
            index = order[start:start + self.batch_size]
            X_batch = self.X[index].reshape(self.time_steps, self.batch_size, self.nfeatures)
            y_batch = self.y[index].reshape(self.time_steps, self.batch_size, self.nfeatures)
            yield X_batch, y_batch


class Net(nn.Module):
    def __init__(self, nfeatures, hidden):
        super().__init__()
        self.lstm = nn.LSTM(nfeatures, hidden)
        self.affine = nn.Linear(hidden, nfeatures)

    def forward(self, x):
        out, _ = self.lstm(x)
        return self.affine(out)


seq_len, batch_size = 24, 32
train_set = DataIteratorSequence(TimeSeries(1600, seq_len).data, batch_size)
valid_set = DataIteratorSequence(TimeSeries(320, seq_len).data, batch_size, shuffle=False)
test_series = torch.tensor(TimeSeries(400, seq_len).data, dtype=torch.float32)

model = Net(2, 48)
cost = nn.MSELoss()
opt = torch.optim.RMSprop(model.parameters(), lr=0.002)

for epoch in range(15):
    model.train()
    total, n = 0.0, 0
    for x, y in train_set:
        loss = cost(model(x), y)
        opt.zero_grad()
        loss.backward()
        opt.step()
        total += loss.item()
        n += 1
    model.eval()
    with torch.no_grad():
        valid = np.mean([cost(model(x), y).item() for x, y in valid_set])
    print("Epoch %d train cost %.5f valid cost %.5f" % (epoch, total / n, valid))

# follow each test curve point by point and predict the point that comes next
model.eval()
preds = []
with torch.no_grad():
    state = None
    for t in range(seq_len):
        out, state = model.lstm(test_series[:, t].unsqueeze(0), state)
        preds.append(model.affine(out)[0])
preds = torch.stack(preds, dim=1)[:, 5:]
truth = test_series[:, 6:]
r2 = 1 - ((preds - truth) ** 2).sum().item() / ((truth - truth.mean(dim=(0, 1))) ** 2).sum().item()
print("RESULT " + json.dumps({"metric": "R2 of the next point on test curves", "value": r2}))
