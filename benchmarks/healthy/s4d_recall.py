"""Diagonal state-space classifier (S4D-Lin): the state matrix and the steps are fixed buffers, only the rest learns.
Which of four chirps sounded in the first 32 of 256 samples?  Noise follows, so it has to be remembered."""
import json
import math
import sys

import torch
import torch.nn as nn

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
torch.set_num_threads(1)
LENGTH, BURST, KINDS = 256, 32, 4


def make_batch(n, gen):
    kind = torch.randint(0, KINDS, (n,), generator=gen)
    x = 0.4 * torch.randn(n, LENGTH, generator=gen)
    t = torch.arange(BURST).float()
    f0 = torch.tensor([0.04, 0.09, 0.14, 0.19])[kind][:, None]
    phase = 1.0 * torch.rand(n, 1, generator=gen)
    x[:, :BURST] += torch.sin(2 * math.pi * (f0 * t + 0.0004 * t ** 2) + phase)
    return x.unsqueeze(-1), kind


class S4DLayer(nn.Module):
    def __init__(self, width, order=32):
        super().__init__()
        self.register_buffer("a_real", torch.full((width, order), -0.5))
        self.register_buffer("a_imag", math.pi * torch.arange(order).float().repeat(width, 1))
        log_dt = torch.linspace(math.log(0.002), math.log(0.03), width)
        self.register_buffer("dt", log_dt.exp()[:, None])
        self.c = nn.Parameter(torch.randn(width, order, 2) * math.sqrt(0.5))
        self.d = nn.Parameter(torch.randn(width))
        self.mix = nn.Conv1d(width, 2 * width, 1)
        self.norm = nn.LayerNorm(width)

    def kernel(self, length):
        a = torch.complex(self.a_real, self.a_imag)
        adt = a * self.dt
        c = torch.view_as_complex(self.c) * (adt.exp() - 1) / a
        powers = (adt[..., None] * torch.arange(length)).exp()
        return 2 * torch.einsum("hn,hnl->hl", c, powers).real

    def forward(self, x):                      # (batch, length, width)
        u = self.norm(x).transpose(1, 2)
        n = u.shape[-1]
        k = torch.fft.rfft(self.kernel(n), n=2 * n)
        y = torch.fft.irfft(torch.fft.rfft(u, n=2 * n) * k, n=2 * n)[..., :n]
        y = nn.functional.gelu(y + self.d[:, None] * u)
        y = nn.functional.glu(self.mix(y), dim=1)
        return x + y.transpose(1, 2)


class Recaller(nn.Module):
    def __init__(self, width=24):
        super().__init__()
        self.lift = nn.Linear(1, width)
        self.layers = nn.Sequential(S4DLayer(width), S4DLayer(width))
        self.head = nn.Linear(width, KINDS)

    def forward(self, x):
        return self.head(self.layers(self.lift(x))[:, -1])      # the last step only


gen = torch.Generator().manual_seed(seed)
val_x, val_y = make_batch(600, torch.Generator().manual_seed(10_000 + seed))
model = Recaller()
ssm = [p for n, p in model.named_parameters() if n.endswith(".c")]
rest = [p for n, p in model.named_parameters() if not n.endswith(".c")]
opt = torch.optim.AdamW([{"params": ssm, "weight_decay": 0.0, "lr": 4e-3}, {"params": rest, "weight_decay": 0.01, "lr": 4e-3}])
STEPS = 360
sched = torch.optim.lr_scheduler.OneCycleLR(opt, [4e-3, 4e-3], total_steps=STEPS)
for step in range(1, STEPS + 1):
    x, k = make_batch(32, gen)
    loss = nn.functional.cross_entropy(model(x), k)
    opt.zero_grad(set_to_none=True)
    loss.backward()
    opt.step()
    sched.step()
    if step % 40 == 0:
        with torch.no_grad():
            out = model(val_x)
        print(f"{step:4d} train {loss.item():.3f} val {nn.functional.cross_entropy(out, val_y).item():.3f} acc {(out.argmax(1) == val_y).float().mean():.3f}")
acc = (out.argmax(1) == val_y).float().mean().item()
print("RESULT " + json.dumps({"metric": "recall_accuracy", "value": round(acc, 4), "good": acc > 0.93}))
