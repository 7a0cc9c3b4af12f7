"""Double machine learning: a partially linear model with cross-fitted nuisance networks."""
import json
import sys

import numpy as np
import torch
import torch.nn as nn
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import KFold, train_test_split

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
np.random.seed(seed)
torch.manual_seed(seed)
torch.set_num_threads(1)

N, P, THETA = 4000, 8, 0.5
X = np.random.randn(N, P)
m0 = 0.9 * np.tanh(X[:, 0] * X[:, 1]) + 0.5 * np.abs(X[:, 2])
g0 = 1.2 * np.tanh(X[:, 0] * X[:, 1]) + 0.8 * np.abs(X[:, 2]) + 0.3 * X[:, 3]
T = m0 + np.random.randn(N)
eps = 1.5 * np.random.randn(N)
Y = THETA * T + g0 + eps


def make_net():
    return nn.Sequential(nn.Linear(P, 64), nn.SiLU(), nn.Linear(64, 64), nn.SiLU(), nn.Linear(64, 1))


def fit_predict(x, y, x_new, tag):
    """Fits one nuisance network (early stopped on an inner split) and predicts on x_new."""
    x_tr, x_va, y_tr, y_va = train_test_split(x, y, test_size=0.2, random_state=seed)
    mu, sd = y_tr.mean(), y_tr.std()
    to = lambda a: torch.tensor(a, dtype=torch.float32)
    x_tr, x_va, y_tr, y_va = to(x_tr), to(x_va), to((y_tr - mu) / sd), to((y_va - mu) / sd)
    net = make_net()
    opt = torch.optim.AdamW(net.parameters(), lr=2e-3, weight_decay=0.05)
    best, best_state, since = np.inf, None, 0
    for epoch in range(60):
        net.train()
        for idx in torch.randperm(len(x_tr)).split(64):
            loss = nn.functional.mse_loss(net(x_tr[idx]).squeeze(1), y_tr[idx])
            opt.zero_grad()
            loss.backward()
            opt.step()
        net.eval()
        with torch.no_grad():
            val = nn.functional.mse_loss(net(x_va).squeeze(1), y_va).item()
        if val < best - 1e-4:
            best, since = val, 0
            best_state = {k: v.clone() for k, v in net.state_dict().items()}
        else:
            since += 1
            if since >= 5:
                break
    net.load_state_dict(best_state)
    print(f"  {tag}: stopped after {epoch + 1} epochs, validation R2 {1 - best / y_va.var(unbiased=False).item():.3f}")
    with torch.no_grad():
        return net(to(x_new)).squeeze(1).numpy() * sd + mu


res_y, res_t = np.zeros(N), np.zeros(N)
for k, (fit_idx, hold_idx) in enumerate(KFold(5, shuffle=True, random_state=seed).split(X)):
    print(f"fold {k}")
    res_y[hold_idx] = Y[hold_idx] - fit_predict(X[fit_idx], Y[fit_idx], X[hold_idx], "outcome  ")
    res_t[hold_idx] = T[hold_idx] - fit_predict(X[fit_idx], T[fit_idx], X[hold_idx], "treatment")

theta = float((res_t * res_y).sum() / (res_t ** 2).sum())
psi = res_t * (res_y - theta * res_t)
se = float(np.sqrt((psi ** 2).mean() / N) / (res_t ** 2).mean())
naive = LinearRegression().fit(np.c_[T, X], Y).coef_[0]
oracle_se = 1.5 / np.sqrt(N)
print(f"theta {theta:.4f} +- {se:.4f}   naive linear adjustment {naive:.4f}   truth {THETA}")
good = abs(theta - THETA) < 3 * oracle_se and se < 1.2 * oracle_se and abs(naive - THETA) > 5 * oracle_se
print("RESULT " + json.dumps({"metric": "theta_hat", "value": round(theta, 4), "good": bool(good)}))
