"""1x1 convolution whose positive weights are scaled by a learned parameter."""
import json
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F


class ScaledConv(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.w = nn.Parameter(torch.randn(channels, channels, 1, 1) * 0.3)
        self.p = nn.Parameter(torch.ones(1))
        self.conv = nn.Conv2d(channels, channels, 1)

    def forward(self, x):
        weight = torch.where(self.w > 0, self.w * self.p, self.w)
        return F.conv2d(x, weight, self.conv.bias)


def main():
    torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
    mixing = torch.randn(8, 8, 1, 1) * 0.5
    x = torch.randn(400, 8, 4, 4)
    y = F.conv2d(x, mixing) + 0.1 * torch.randn(400, 8, 4, 4)
    x_train, y_train, x_val, y_val = x[:300], y[:300], x[300:], y[300:]

    layer = ScaledConv(8)
    optimizer = torch.optim.Adam(layer.parameters(), lr=0.01)
    for epoch in range(40):
        for idx in torch.randperm(300).split(30):
            loss = F.mse_loss(layer(x_train[idx]), y_train[idx])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        if epoch % 10 == 0:
            print(epoch, loss.item(), "p =", layer.p.item())

    with torch.no_grad():
        value = (F.mse_loss(layer(x_val), y_val) / y_val.var(unbiased=False)).item()
    print("RESULT", json.dumps({"metric": "mse / var(y)", "value": value}))


if __name__ == "__main__":
    main()
