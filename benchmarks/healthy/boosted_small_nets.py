# Gradient boosting with tiny neural nets as weak learners. Each new net is
# fitted to what the sum of the former nets leaves over; the later nets
# therefore see targets that are ever closer to pure noise.
import json
import sys

import numpy as np
import torch
from torch import nn

torch.set_num_threads(1)


class Weak(nn.Module):
    def __init__(self, d, width=12):
        super().__init__()
        self.hidden = nn.Linear(d, width)
        self.out = nn.Linear(width, 1)

    def forward(self, x):
        return self.out(torch.tanh(self.hidden(x))).squeeze(-1)


class NetBoost:
    def __init__(self, shrinkage=0.5, max_rounds=25, epochs=15, lr=1e-2, patience=2):
        self.shrinkage, self.max_rounds = shrinkage, max_rounds
        self.epochs, self.lr, self.patience = epochs, lr, patience
        self.nets = []

    def _fit_one(self, x, r):
        net = Weak(x.shape[1])
        opt = torch.optim.Adam(net.parameters(), lr=self.lr)
        for _ in range(self.epochs):
            for idx in torch.randperm(len(x)).split(128):
                loss = nn.functional.mse_loss(net(x[idx]), r[idx])
                opt.zero_grad()
                loss.backward()
                opt.step()
        return net

    def fit(self, x, y, xv, yv):
        self.base = y.mean()
        f, fv = self.base.expand(len(y)).clone(), self.base.expand(len(yv)).clone()
        best, stalled = float("inf"), 0
        for k in range(self.max_rounds):
            net = self._fit_one(x, y - f)
            with torch.no_grad():
                f = f + self.shrinkage * net(x)
                fv = fv + self.shrinkage * net(xv)
            self.nets.append(net)
            tr, va = (y - f).pow(2).mean().item(), (yv - fv).pow(2).mean().item()
            print(f"round {k + 1:2d}  train mse {tr:.4f}  val mse {va:.4f}")
            if va < best * 0.995:
                best, keep, stalled = va, k + 1, 0
            else:
                stalled += 1
                if stalled > self.patience:
                    break
        self.nets = self.nets[:keep]
        print(f"kept {keep} nets")
        return self

    @torch.no_grad()
    def predict(self, x):
        return self.base + self.shrinkage * sum(n(x) for n in self.nets)


def signal(x):
    return 1.2 * np.sin(2 * x[:, 0]) + 0.8 * x[:, 1] * x[:, 2] + 0.7 * np.abs(x[:, 3]) - 0.5 * x[:, 4]


def main():
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)

    def make(n):
        x = rng.normal(size=(n, 8))
        return x, signal(x), signal(x) + rng.normal(size=n)

    (x, _, y), (xv, _, yv), (xt, ft, _) = make(10000), make(1500), make(4000)
    t = lambda a: torch.tensor(a, dtype=torch.float32)
    model = NetBoost().fit(t(x), t(y), t(xv), t(yv))
    err = float(((model.predict(t(xt)).numpy() - ft) ** 2).mean() / ft.var())

    a = np.c_[np.ones(len(x)), x]
    w = np.linalg.lstsq(a, y, rcond=None)[0]
    lin = float(((np.c_[np.ones(len(xt)), xt] @ w - ft) ** 2).mean() / ft.var())
    print(f"unexplained share of the noiseless signal: boosted {err:.4f}, linear {lin:.4f}")
    print("RESULT " + json.dumps({"metric": "unexplained_signal", "value": round(err, 4),
                                  "good": bool(err < 0.10 and err < 0.25 * lin)}))


if __name__ == "__main__":
    main()
