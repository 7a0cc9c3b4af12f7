# single-hidden-layer network for a health-utility score (range -0.454 .. 1.000)
import json
import sys
import numpy as np
import torch

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
rng = np.random.default_rng(seed)
torch.set_num_threads(1)

LOW, HIGH = -0.454, 1.0


def survey(n):
    age = rng.uniform(18, 90, n)
    pain = rng.uniform(0, 10, n)
    mobility = rng.uniform(0, 4, n)
    score = 1.15 - 0.004 * (age - 18) - 0.09 * pain - 0.02 * pain * mobility
    score = score + rng.normal(0, 0.03, n)
    v = np.stack([age, pain, mobility], 1)
    return v, np.clip(score, LOW, HIGH)


v, score = survey(2500)
v = (v - v.mean(0)) / v.std(0)
x = torch.tensor(v, dtype=torch.float32)
x_fit, x_new = x[:2000], x[2000:]
s_fit, s_new = score[:2000], score[2000:]


def to_unit(s):
    return (s - LOW) / (HIGH - LOW)


def from_unit(u):
    return u * (HIGH - LOW) + LOW


target = torch.tensor(to_unit(s_fit), dtype=torch.float32).view(-1, 1)
print('target range %.3f .. %.3f' % (target.min(), target.max()))

# logistic output unit, as nnet() has it
net = torch.nn.Sequential(torch.nn.Linear(3, 6), torch.nn.Sigmoid(), torch.nn.Linear(6, 1), torch.nn.Sigmoid())
opt = torch.optim.Adam(net.parameters(), lr=0.01)

for it in range(150):
    perm = torch.randperm(len(x_fit))
    for k in range(0, len(perm), 50):
        i = perm[k:k + 50]
        loss = ((net(x_fit[i]) - target[i]) ** 2).mean()
        opt.zero_grad()
        loss.backward()
        opt.step()
    if it % 25 == 0:
        print('iter', it, 'value', loss.item())

with torch.no_grad():
    u = net(x_new).numpy().ravel()
pred = from_unit(u)
rmse = float(np.sqrt(np.mean((pred - s_new) ** 2)))
print('share of negative scores: %.3f' % (s_new < 0).mean())
print('RESULT', json.dumps({'metric': 'rmse_score', 'value': round(rmse, 4)}))
