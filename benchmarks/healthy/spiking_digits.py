"""Leaky integrate-and-fire network with a fast-sigmoid surrogate gradient on the 8x8 digits.

Modelled after snnTorch tutorial 5 (static data, cross entropy summed over 25 time steps) and Zenke's SpyTorch (own code).
"""
import json
import sys

import torch
import torch.nn as nn
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch.utils.data import DataLoader, TensorDataset

num_inputs, num_hidden, num_outputs = 64, 200, 10
num_steps, beta = 25, 0.95


class FastSigmoid(torch.autograd.Function):
    @staticmethod
    def forward(ctx, mem):
        ctx.save_for_backward(mem)
        return (mem > 0).float()

    @staticmethod
    def backward(ctx, grad):
        (mem,) = ctx.saved_tensors
        return grad / (25 * mem.abs() + 1) ** 2


spike = FastSigmoid.apply


class Leaky(nn.Module):
    def __init__(self, beta, threshold=1.0):
        super().__init__()
        self.beta, self.threshold = beta, threshold

    def forward(self, current, mem):
        reset = (mem > self.threshold).float().detach()
        mem = self.beta * mem + current - reset * self.threshold
        return spike(mem - self.threshold), mem


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(num_inputs, num_hidden)
        self.lif1 = Leaky(beta)
        self.fc2 = nn.Linear(num_hidden, num_outputs)
        self.lif2 = Leaky(beta)

    def forward(self, x):
        mem1 = torch.zeros(len(x), num_hidden)
        mem2 = torch.zeros(len(x), num_outputs)
        spk_rec, mem_rec = [], []
        cur1 = self.fc1(x)
        for _ in range(num_steps):
            spk1, mem1 = self.lif1(cur1, mem1)
            spk2, mem2 = self.lif2(self.fc2(spk1), mem2)
            spk_rec.append(spk2)
            mem_rec.append(mem2)
        return torch.stack(spk_rec), torch.stack(mem_rec)


def evaluate(net, x, y):
    net.eval()
    with torch.no_grad():
        spk, mem = net(x)
    # the most active output neuron wins; the membrane settles ties
    score = spk.sum(0) + 1e-3 * mem.mean(0)
    return (score.argmax(1) == y).float().mean().item()


def main(seed):
    torch.manual_seed(seed)
    d = load_digits()
    x = torch.tensor(d.data / 16, dtype=torch.float32)
    y = torch.tensor(d.target)
    xtr, xte, ytr, yte = train_test_split(x, y, test_size=0.25, stratify=y, random_state=seed)
    loader = DataLoader(TensorDataset(xtr, ytr), batch_size=64, shuffle=True, drop_last=True)
    net = Net()
    ce = nn.CrossEntropyLoss()
    opt = torch.optim.Adam(net.parameters(), lr=3e-3, betas=(0.9, 0.999))
    epochs = 15
    sched = torch.optim.lr_scheduler.CosineAnnealingLR(opt, epochs * len(loader))
    for epoch in range(epochs):
        net.train()
        total = 0.0
        for xb, yb in loader:
            _, mem_rec = net(xb)
            loss = torch.zeros(())
            for step in range(num_steps):
                loss = loss + ce(mem_rec[step], yb)
            opt.zero_grad()
            loss.backward()
            opt.step()
            sched.step()
            total += loss.item()
        acc = evaluate(net, xte, yte)
        print(f"Epoch {epoch}: train loss {total / len(loader):.2f}, test accuracy {acc * 100:.2f}%")
    print("RESULT", json.dumps({"metric": "test_acc", "value": round(acc, 5), "good": bool(acc >= 0.95)}))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
