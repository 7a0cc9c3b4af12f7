"""Two-source separation in the time domain: masks over a learned filterbank, SI-SDR, permutation-invariant training."""
import json
import math
import sys

import torch
import torch.nn as nn

SEED = int(sys.argv[1]) if len(sys.argv) > 1 else 0
LENGTH = 512


# ------------------------------------------------------------------ data.py
def buzz(n):
    """harmonic, low-pitched"""
    t = torch.arange(LENGTH).float()
    f = 0.008 + 0.012 * torch.rand(n, 1)
    wave = sum(torch.sin(2 * math.pi * k * f * t + 2 * math.pi * torch.rand(n, 1)) / k for k in (1, 2, 3, 4))
    return wave


def whistle(n):
    """a warbling tone, whose band begins inside the harmonics of the buzz"""
    t = torch.arange(LENGTH).float()
    f = 0.05 + 0.15 * torch.rand(n, 1)
    warble = 2.0 * torch.sin(2 * math.pi * 0.006 * t + 6.28 * torch.rand(n, 1))
    return torch.sin(2 * math.pi * f * t + warble)


def mixtures(n):
    a, b = buzz(n), whistle(n)
    a = a / a.std(1, keepdim=True)
    b = b / b.std(1, keepdim=True) * (0.6 + 0.8 * torch.rand(n, 1))
    swap = torch.rand(n, 1) < 0.5
    src = torch.stack([torch.where(swap, a, b), torch.where(swap, b, a)], 1)
    return src.sum(1) + 0.02 * torch.randn(n, LENGTH), src


# ------------------------------------------------------------------ losses.py
def si_sdr(est, ref, eps=1e-6):
    est, ref = est - est.mean(-1, keepdim=True), ref - ref.mean(-1, keepdim=True)
    scale = (est * ref).sum(-1, keepdim=True) / (ref.square().sum(-1, keepdim=True) + eps)
    target = scale * ref
    return 10 * torch.log10((target.square().sum(-1) + eps) / ((est - target).square().sum(-1) + eps))


def pit(est, ref):
    straight = si_sdr(est, ref).mean(1)
    crossed = si_sdr(est, ref.flip(1)).mean(1)
    return torch.maximum(straight, crossed)


# ------------------------------------------------------------------ model.py
class Block(nn.Module):
    def __init__(self, ch, dilation):
        super().__init__()
        self.body = nn.Sequential(nn.Conv1d(ch, ch, 3, padding=dilation, dilation=dilation, groups=ch),
                                  nn.PReLU(), nn.GroupNorm(1, ch), nn.Conv1d(ch, ch, 1))

    def forward(self, x):
        return x + self.body(x)


class Separator(nn.Module):
    def __init__(self, filters=64):
        super().__init__()
        self.enc = nn.Conv1d(1, filters, 32, stride=8, bias=False, padding=12)
        self.norm = nn.GroupNorm(1, filters)
        self.blocks = nn.Sequential(*[Block(filters, d) for d in (1, 2, 4, 8)])
        self.mask = nn.Conv1d(filters, 2 * filters, 1)
        self.dec = nn.ConvTranspose1d(filters, 1, 32, stride=8, bias=False, padding=12)

    def forward(self, x):
        h = self.enc(x[:, None]).relu()
        m = self.mask(self.blocks(self.norm(h))).unflatten(1, (2, -1)).sigmoid()
        out = self.dec((m * h[:, None]).flatten(0, 1))
        return out.view(len(x), 2, -1)


# ------------------------------------------------------------------ train.py
def train():
    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    net = Separator()
    steps = 900
    opt = torch.optim.Adam(net.parameters(), lr=2e-3)
    sched = torch.optim.lr_scheduler.CosineAnnealingLR(opt, steps, 1e-5)
    vx, vs = mixtures(128)
    for step in range(steps):
        x, s = mixtures(16)
        loss = -pit(net(x), s).mean()
        opt.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 5.0)
        opt.step()
        sched.step()
        if step % 100 == 0 or step == steps - 1:
            with torch.no_grad():
                v = pit(net(vx), vs).mean().item()
            print(f"step {step:4d} loss {loss.item():8.3f} dB   validation SI-SDR {v:7.3f} dB")
    x, s = mixtures(400)
    with torch.no_grad():
        raw = si_sdr(x[:, None].expand_as(s), s).mean(1)
        ours = pit(net(x), s)
        spec = torch.fft.rfft(x)
        freq = torch.fft.rfftfreq(LENGTH)
        best = -99.0
        for cut in torch.linspace(0.02, 0.12, 11):           # best fixed low / high pass pair
            low = torch.fft.irfft(spec * (freq < cut), n=LENGTH)
            best = max(best, pit(torch.stack([low, x - low], 1), s).mean().item())
    gain, classical = (ours - raw).mean().item(), best - raw.mean().item()
    print(f"SI-SDR gain {gain:.2f} dB; best fixed crossover {classical:.2f} dB")
    print("RESULT " + json.dumps({"metric": "si_sdr_improvement_db", "value": round(gain, 3),
                                  "good": bool(gain > classical + 2)}))


if __name__ == "__main__":
    train()
