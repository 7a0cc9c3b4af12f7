import itertools, json, sys
import numpy as np
import torch
import torch.nn as nn

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
rng = np.random.RandomState(seed)
torch.set_num_threads(1)

# vectors of -1/0/1 plus a bias input of 1; the network has to give the sine of their sum
combos = np.array(list(itertools.product([-1, 0, 1], repeat=5)), dtype=np.float32)
rng.shuffle(combos)
X = np.concatenate([combos, np.ones((len(combos), 1), dtype=np.float32)], axis=1)
Y = np.sin(X.sum(1, keepdims=True)).astype(np.float32)
X, Y = torch.tensor(X), torch.tensor(Y)
Xtr, Ytr, Xte, Yte = X[:190], Y[:190], X[190:], Y[190:]


class MLP(nn.Module):
    def __init__(self, n_in=6, n_hidden=12):
        super().__init__()
        self.hidden = nn.Linear(n_in, n_hidden)
        self.out = nn.Linear(n_hidden, 1)

    def forward(self, x):
        h = torch.tanh(self.hidden(x))
        return torch.sigmoid(self.out(h))


net = MLP()
optimizer = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 500)
criterion = nn.MSELoss()
batch_size = 10

for epoch in range(500):
    perm = torch.randperm(len(Xtr))
    total = 0.0
    for i in range(0, len(Xtr), batch_size):
        idx = perm[i:i + batch_size]
        optimizer.zero_grad()
        loss = criterion(net(Xtr[idx]), Ytr[idx])
        loss.backward()
        optimizer.step()
        total += loss.item() * len(idx)
    scheduler.step()
    if (epoch + 1) % 50 == 0:
        with torch.no_grad():
            val = criterion(net(Xte), Yte).item()
        print(f"epoch {epoch + 1} mse {total / len(Xtr):.5f} test mse {val:.5f}")

with torch.no_grad():
    rmse = torch.sqrt(criterion(net(Xte), Yte)).item()
print("RESULT " + json.dumps({"metric": "score", "value": rmse}))
