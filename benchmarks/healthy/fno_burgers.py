"""Fourier neural operator in one dimension: the Burgers equation, from the start to t = 1."""
import json
import sys
from timeit import default_timer

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
np.random.seed(seed)

ntrain, ntest, s = 500, 100, 64
batch_size, learning_rate, epochs, step_size, gamma = 20, 0.001, 24, 6, 0.5
modes, width = 12, 24


def burgers(n, viscosity=0.02, steps=250):
    """Random smooth starts; a spectral solver with an integrating factor and Runge-Kutta."""
    k = np.arange(s // 2 + 1)
    std = np.sqrt(2) * 25 / ((2 * np.pi * k) ** 2 + 25)
    coef = (np.random.normal(size=(n, len(k))) + 1j * np.random.normal(size=(n, len(k)))) * std * s / 2
    coef[:, 0] = 0
    coef[:, -1] = 0
    start = np.fft.irfft(coef, s)
    dt, keep = 1 / steps, k < s / 3
    half = np.exp(-viscosity * (2 * np.pi * k) ** 2 * dt / 2)

    def slope(c):
        return -0.5 * 2j * np.pi * k * keep * np.fft.rfft(np.fft.irfft(c, s) ** 2)

    c = coef
    for _ in range(steps):
        a = slope(c)
        b = slope(half * (c + dt / 2 * a))
        d = slope(half * c + dt / 2 * b)
        e = slope(half ** 2 * c + dt * half * d)
        c = half ** 2 * c + dt / 6 * (half ** 2 * a + 2 * half * (b + d) + e)
    return start.astype("float32"), np.fft.irfft(c, s).astype("float32")


class SpectralConv1d(nn.Module):
    def __init__(self, in_channels, out_channels, modes1):
        super().__init__()
        self.out_channels, self.modes1 = out_channels, modes1
        self.scale = 1 / (in_channels * out_channels)
        self.weights1 = nn.Parameter(self.scale * torch.rand(in_channels, out_channels, modes1, dtype=torch.cfloat))

    def forward(self, x):
        x_ft = torch.fft.rfft(x)
        out_ft = torch.zeros(x.shape[0], self.out_channels, x.size(-1) // 2 + 1, dtype=torch.cfloat)
        out_ft[:, :, :self.modes1] = torch.einsum("bix,iox->box", x_ft[:, :, :self.modes1], self.weights1)
        return torch.fft.irfft(out_ft, n=x.size(-1))


class FNO1d(nn.Module):
    def __init__(self, modes, width):
        super().__init__()
        self.fc0 = nn.Linear(2, width)
        self.convs = nn.ModuleList([SpectralConv1d(width, width, modes) for _ in range(4)])
        self.ws = nn.ModuleList([nn.Conv1d(width, width, 1) for _ in range(4)])
        self.fc1 = nn.Linear(width, 64)
        self.fc2 = nn.Linear(64, 1)

    def forward(self, x):
        grid = torch.linspace(0, 1, x.shape[1]).view(1, -1, 1).repeat(x.shape[0], 1, 1)
        x = self.fc0(torch.cat((x, grid), dim=-1)).permute(0, 2, 1)
        for i, (conv, w) in enumerate(zip(self.convs, self.ws)):
            x = conv(x) + w(x)
            if i < 3:
                x = F.gelu(x)
        return self.fc2(F.gelu(self.fc1(x.permute(0, 2, 1))))


def lp_loss(x, y):
    """Relative error of each function, summed over the batch."""
    diff = torch.norm(x.reshape(len(x), -1) - y.reshape(len(y), -1), 2, 1)
    return torch.sum(diff / torch.norm(y.reshape(len(y), -1), 2, 1))


a, u = (torch.from_numpy(z) for z in burgers(ntrain + ntest))
x_train, y_train, x_test, y_test = a[:ntrain, :, None], u[:ntrain], a[-ntest:, :, None], u[-ntest:]
train_loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x_train, y_train), batch_size=batch_size, shuffle=True)
test_loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x_test, y_test), batch_size=batch_size)

model = FNO1d(modes, width)
print(sum(p.numel() * (2 if p.is_complex() else 1) for p in model.parameters()))
optimizer = torch.optim.Adam(model.parameters(), lr=learning_rate, weight_decay=1e-4)
scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=step_size, gamma=gamma)

for ep in range(epochs):
    model.train()
    t1 = default_timer()
    train_mse = train_l2 = 0
    for x, y in train_loader:
        optimizer.zero_grad()
        out = model(x).squeeze(-1)
        mse = F.mse_loss(out, y)
        l2 = lp_loss(out, y)
        l2.backward()
        optimizer.step()
        train_mse += mse.item()
        train_l2 += l2.item()
    scheduler.step()
    model.eval()
    test_l2 = 0.0
    with torch.no_grad():
        for x, y in test_loader:
            test_l2 += lp_loss(model(x).squeeze(-1), y).item()
    train_mse /= len(train_loader)
    train_l2 /= ntrain
    test_l2 /= ntest
    print(ep, round(default_timer() - t1, 2), train_mse, train_l2, test_l2)

print("RESULT", json.dumps({"metric": "relative test error", "value": round(test_l2, 4), "good": test_l2 <= 0.05}))
