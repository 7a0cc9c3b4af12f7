import json
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_diabetes

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)


class LinearRegressionModule(nn.Module):
    def __init__(self, num_features):
        super().__init__()
        self.register_parameter("weights", nn.Parameter(torch.rand((num_features, 1)) * 0.01))
        self.register_parameter("bias", nn.Parameter(torch.randn(1) * 0.01))

    def forward(self, inputs):
        return torch.matmul(inputs, self.weights) + self.bias


def train(inputs, targets, total_steps=4000):
    mod = LinearRegressionModule(inputs.shape[1])
    optimizer = torch.optim.AdamW(mod.parameters(), lr=0.005)
    for step in range(total_steps):
        outputs = mod(inputs)
        loss = F.mse_loss(outputs, targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 400 == 0:
            print(f"step={step} loss={loss.item():.4f}")
    return mod


def main():
    data = load_diabetes()
    x = torch.tensor(data.data, dtype=torch.float32)
    y = torch.tensor(data.target, dtype=torch.float32)
    perm = torch.randperm(len(x))
    train_i, test_i = perm[:330], perm[330:]
    x = (x - x[train_i].mean(0)) / x[train_i].std(0)
    mean, std = y[train_i].mean(), y[train_i].std()
    mod = train(x[train_i], (y[train_i] - mean) / std)
    with torch.no_grad():
        pred = mod(x[test_i]).flatten() * std + mean
    truth = y[test_i].flatten()
    r2 = 1 - ((pred - truth) ** 2).sum() / ((truth - truth.mean()) ** 2).sum()
    print("results: y = x * %s + %.3f" % (mod.weights.detach().flatten().tolist(), mod.bias.item()))
    print("RESULT", json.dumps({"metric": "r2", "value": r2.item()}))


if __name__ == "__main__":
    main()
