"""The adding problem with a temporal convolutional network: causal, dilated, weight-normed, as in locuslab/TCN."""
import argparse
import json

import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim
from torch.nn.utils.parametrizations import weight_norm

parser = argparse.ArgumentParser(description="Sequence Modeling - The Adding Problem")
parser.add_argument("seed", type=int, nargs="?", default=0)
parser.add_argument("--batch_size", type=int, default=32)
parser.add_argument("--clip", type=float, default=1.0)
parser.add_argument("--epochs", type=int, default=4)
parser.add_argument("--ksize", type=int, default=5)
parser.add_argument("--levels", type=int, default=4)
parser.add_argument("--seq_len", type=int, default=40)
parser.add_argument("--log-interval", type=int, default=50)
parser.add_argument("--lr", type=float, default=4e-3)
parser.add_argument("--nhid", type=int, default=20)
args = parser.parse_args()
torch.manual_seed(args.seed)


def data_generator(N, seq_length):
    X_num = torch.rand([N, 1, seq_length])
    X_mask = torch.zeros([N, 1, seq_length])
    Y = torch.zeros([N, 1])
    for i in range(N):
        positions = torch.randperm(seq_length)[:2]
        X_mask[i, 0, positions] = 1
        Y[i, 0] = X_num[i, 0, positions].sum()
    return torch.cat((X_num, X_mask), dim=1), Y


class Chomp1d(nn.Module):
    def __init__(self, chomp_size):
        super().__init__()
        self.chomp_size = chomp_size

    def forward(self, x):
        return x[:, :, :-self.chomp_size].contiguous()


class TemporalBlock(nn.Module):
    def __init__(self, n_inputs, n_outputs, kernel_size, dilation):
        super().__init__()
        padding = (kernel_size - 1) * dilation
        self.conv1 = weight_norm(nn.Conv1d(n_inputs, n_outputs, kernel_size, padding=padding, dilation=dilation))
        self.conv2 = weight_norm(nn.Conv1d(n_outputs, n_outputs, kernel_size, padding=padding, dilation=dilation))
        self.net = nn.Sequential(self.conv1, Chomp1d(padding), nn.ReLU(), self.conv2, Chomp1d(padding), nn.ReLU())
        self.downsample = nn.Conv1d(n_inputs, n_outputs, 1) if n_inputs != n_outputs else None
        self.relu = nn.ReLU()

    def forward(self, x):
        res = x if self.downsample is None else self.downsample(x)
        return self.relu(self.net(x) + res)


class TCN(nn.Module):
    def __init__(self, input_size, output_size, num_channels, kernel_size):
        super().__init__()
        sizes = [input_size] + num_channels
        self.tcn = nn.Sequential(*[TemporalBlock(a, b, kernel_size, 2 ** i)
                                   for i, (a, b) in enumerate(zip(sizes, sizes[1:]))])
        self.linear = nn.Linear(num_channels[-1], output_size)
        self.linear.weight.data.normal_(0, 0.01)

    def forward(self, x):
        return self.linear(self.tcn(x)[:, :, -1])


print("Producing data...")
X_train, Y_train = data_generator(8000, args.seq_len)
X_test, Y_test = data_generator(1000, args.seq_len)
model = TCN(2, 1, [args.nhid] * args.levels, args.ksize)
optimizer = optim.Adam(model.parameters(), lr=args.lr)
scheduler = optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.5)


def train(epoch):
    model.train()
    total_loss = 0
    order = torch.randperm(len(X_train))
    batches = order.split(args.batch_size)
    for batch_idx, idx in enumerate(batches):
        x, y = X_train[idx], Y_train[idx]
        optimizer.zero_grad()
        loss = F.mse_loss(model(x), y)
        loss.backward()
        if args.clip > 0:
            torch.nn.utils.clip_grad_norm_(model.parameters(), args.clip)
        optimizer.step()
        total_loss += loss.item()
        if (batch_idx + 1) % args.log_interval == 0:
            print(f"Train Epoch: {epoch:2d} [{batch_idx + 1:4d}/{len(batches)}]\tLearning rate: "
                  f"{optimizer.param_groups[0]['lr']:.5f}\tLoss: {total_loss / args.log_interval:.6f}")
            total_loss = 0


def evaluate():
    model.eval()
    with torch.no_grad():
        test_loss = F.mse_loss(model(X_test), Y_test).item()
    print(f"\nTest set: Average loss: {test_loss:.6f}\n")
    return test_loss


for ep in range(1, args.epochs + 1):
    train(ep)
    tloss = evaluate()
    scheduler.step()
print("RESULT", json.dumps({"metric": "test mse", "value": round(tloss, 6), "good": tloss <= 0.005}))
