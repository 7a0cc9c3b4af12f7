"""Sound event recognition: synthetic half-second clips -> log spectrograms -> CNN with SpecAugment masks."""
import json
import math
import sys

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

SR, N = 4000, 2000
CLASSES = ["rising chirp", "falling chirp", "two-tone alarm", "tremolo", "warble", "clicks"]


def synth(n, g):
    t = torch.arange(N) / SR
    dur = N / SR
    r = lambda lo, hi: lo + (hi - lo) * torch.rand(n, 1, generator=g)
    y = torch.randint(0, len(CLASSES), (n,), generator=g)
    lo, hi, phase = r(200, 500), r(900, 1500), r(0, 6.28)
    mid, rate = r(400, 1200), r(6, 14)
    tau = 2 * math.pi
    up = torch.sin(tau * (lo * t + (hi - lo) * t ** 2 / (2 * dur)) + phase)
    down = torch.sin(tau * (hi * t - (hi - lo) * t ** 2 / (2 * dur)) + phase)
    alarm = torch.where(torch.sin(tau * rate / 2 * t + phase) > 0, torch.sin(tau * lo * 1.5 * t), torch.sin(tau * hi * t))
    trem = (0.5 + 0.5 * torch.sin(tau * rate * t + phase)) * torch.sin(tau * mid * t) * 1.4
    warble = torch.sin(tau * mid * t + 120 / rate * torch.sin(tau * rate * t + phase))
    gate = (torch.sin(tau * rate * t + phase) > 0.93).float()
    clicks = gate * torch.randn(n, N, generator=g) * 1.6
    waves = torch.stack([up, down, alarm, trem, warble, clicks], 1)[torch.arange(n), y]
    snr = r(0.15, 0.5)
    return waves * r(0.5, 1.0) + snr * torch.randn(n, N, generator=g), y


def log_spectrogram(wave):
    s = torch.stft(wave, n_fft=128, hop_length=50, window=torch.hann_window(128), return_complex=True)
    return torch.log(s.abs() + 1e-2)[:, None, :64, :40]


def spec_augment(x):
    x = x.clone()
    f, t = torch.randint(0, 56, (2,)).tolist()
    x[:, :, f:f + 8] = 0.0
    x[:, :, :, t % 34:t % 34 + 5] = 0.0
    return x


class SoundNet(nn.Module):
    def __init__(self):
        super().__init__()
        chans = [1, 8, 16, 32]
        self.blocks = nn.ModuleList()
        for a, b in zip(chans, chans[1:]):
            self.blocks.append(nn.Sequential(nn.Conv2d(a, b, 3, padding=1, bias=False), nn.BatchNorm2d(b), nn.ReLU(), nn.MaxPool2d(2)))
        self.classify = nn.Sequential(nn.Dropout(0.2), nn.Linear(32 * 8 * 5, len(CLASSES)))

    def forward(self, x):
        for b in self.blocks:
            x = b(x)
        return self.classify(x.flatten(1))


def main(seed):
    torch.manual_seed(seed)
    g = torch.Generator().manual_seed(seed + 500)
    wav, y = synth(3000, g)
    x = log_spectrogram(wav)
    train, val = slice(0, 2400), slice(2400, None)
    mean, std = x[train].mean(), x[train].std()
    x = (x - mean) / std
    train_loader = DataLoader(TensorDataset(x[train], y[train]), batch_size=48, shuffle=True)
    model = SoundNet()
    ce = nn.CrossEntropyLoss()
    epochs = 6
    opt = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=1e-2)
    sched = torch.optim.lr_scheduler.CosineAnnealingLR(opt, epochs)
    for epoch in range(epochs):
        model.train()
        loss_sum = 0.0
        for xb, yb in train_loader:
            loss = ce(model(spec_augment(xb)), yb)
            opt.zero_grad()
            loss.backward()
            opt.step()
            loss_sum += loss.item() * len(xb)
        sched.step()
        model.eval()
        with torch.inference_mode():
            out = model(x[val])
            vloss, vacc = ce(out, y[val]).item(), (out.argmax(1) == y[val]).float().mean().item()
        print(f"epoch {epoch + 1}: train {loss_sum / 2400:.4f}  val {vloss:.4f}  acc {vacc:.4f}")
    print("RESULT", json.dumps({"val_accuracy": round(vacc, 4), "good": vacc > 0.96}))


main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
