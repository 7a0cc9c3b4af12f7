"""DeepSurv: a Cox model whose log risk is a network, on the simulated patients of the paper."""
import json
import sys

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
np.random.seed(seed)
torch.manual_seed(seed)


def simulate(n):
    """Ten covariates, two of them count: the risk is a bump in the middle of the square."""
    x = np.random.uniform(-1, 1, (n, 10))
    log_risk = np.log(5.0) * np.exp(-(x[:, 0] ** 2 + x[:, 1] ** 2) / (2 * 0.5 ** 2))
    time = np.random.exponential(1 / (0.1 * np.exp(log_risk)))
    end = np.quantile(time, 0.9)  # the study ends, one in ten still lives
    event = time <= end
    return (x.astype("float32"), np.minimum(time, end).astype("float32"), event.astype("float32"), log_risk)


def cox_ph_loss(log_h, durations, events, eps=1e-7):
    """Minus the partial log likelihood of the batch; those at risk are the ones that lived at least as long."""
    idx = durations.sort(descending=True)[1]
    events, log_h = events[idx], log_h[idx].view(-1)
    gamma = log_h.max()
    log_cumsum_h = log_h.sub(gamma).exp().cumsum(0).add(eps).log().add(gamma)
    return -log_h.sub(log_cumsum_h).mul(events).sum().div(events.sum())


def concordance(risk, time, event):
    earlier = (time[:, None] < time[None]) & (event[:, None] == 1)
    diff = risk[:, None] - risk[None]
    return float(((diff > 0) & earlier).sum() + 0.5 * ((diff == 0) & earlier).sum()) / float(earlier.sum())


class Net(nn.Module):
    def __init__(self, in_features, num_nodes=(32, 32), dropout=0.1):
        super().__init__()
        layers, size = [], in_features
        for n in num_nodes:
            layers += [nn.Linear(size, n), nn.ReLU(), nn.BatchNorm1d(n), nn.Dropout(dropout)]
            size = n
        self.net = nn.Sequential(*layers, nn.Linear(size, 1, bias=False))

    def forward(self, x):
        return self.net(x)


x_train, t_train, e_train, _ = simulate(4000)
x_val, t_val, e_val, _ = simulate(1000)
x_test, t_test, e_test, true_risk = simulate(1500)
train = TensorDataset(torch.tensor(x_train), torch.tensor(t_train), torch.tensor(e_train))
loader = DataLoader(train, batch_size=256, shuffle=True, drop_last=True)
val = [torch.tensor(a) for a in (x_val, t_val, e_val)]

model = Net(10)
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
best, best_state, patience = float("inf"), None, 0
for epoch in range(100):
    model.train()
    losses = []
    for x, duration, event in loader:
        loss = cox_ph_loss(model(x), duration, event)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    model.eval()
    with torch.no_grad():
        h = model(val[0])
        val_loss = cox_ph_loss(h, val[1], val[2]).item()
    c = concordance(h.squeeze(1).numpy(), t_val, e_val)
    print(f"{epoch}:\ttrain_loss: {np.mean(losses):.4f},\tval_loss: {val_loss:.4f},\tval c-index: {c:.4f}")
    if val_loss < best:
        best, patience = val_loss, 0
        best_state = {k: v.clone() for k, v in model.state_dict().items()}
    else:
        patience += 1
        if patience >= 10:
            print("early stopping")
            break
model.load_state_dict(best_state)

model.eval()
with torch.no_grad():
    risk = model(torch.tensor(x_test)).squeeze(1).numpy()
c, c_true = concordance(risk, t_test, e_test), concordance(true_risk, t_test, e_test)
print(f"test c-index {c:.4f}, with the true risk {c_true:.4f}, with the sum of the covariates "
      f"{concordance(x_test.sum(1), t_test, e_test):.4f}")
print("RESULT", json.dumps({"metric": "c-index", "value": round(c, 4), "good": c >= c_true - 0.025}))
