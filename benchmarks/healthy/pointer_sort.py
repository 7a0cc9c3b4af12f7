"""Pointer network that sorts six random numbers by pointing at them one after another.
Modelled after Vinyals et al. 2015 and the PyTorch pointer-network repositories."""
import json
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
N, H = 6, 64


class PointerNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Linear(1, H)
        self.encoder = nn.LSTM(H, H, batch_first=True)
        self.decoder = nn.LSTMCell(H, H)
        self.start = nn.Parameter(0.1 * torch.randn(H))
        self.w_ref = nn.Linear(H, H, bias=False)
        self.w_query = nn.Linear(H, H)
        self.v = nn.Linear(H, 1, bias=False)

    def forward(self, x, target=None):
        e = self.embed(x.unsqueeze(-1))
        enc, (h, c) = self.encoder(e)
        h, c = h[0], c[0]
        ref = self.w_ref(enc + e)
        inp = self.start.expand(len(x), H)
        used = torch.zeros_like(x, dtype=torch.bool)
        rows, logits, picks = torch.arange(len(x)), [], []
        for t in range(N):
            h, c = self.decoder(inp, (h, c))
            u = self.v(torch.tanh(ref + self.w_query(h).unsqueeze(1))).squeeze(-1)
            u = u.masked_fill(used, -1e9)
            logits.append(u)
            choice = target[:, t] if target is not None else u.argmax(1)
            picks.append(choice)
            used = used.scatter(1, choice.unsqueeze(1), True)
            inp = e[rows, choice]
        return torch.stack(logits, 1), torch.stack(picks, 1)


def batch(n):
    x = torch.rand(n, N) * 2 - 1
    return x, x.argsort(1)


model = PointerNet()
opt = torch.optim.Adam(model.parameters(), lr=3e-3)
steps = 600
sched = torch.optim.lr_scheduler.OneCycleLR(opt, max_lr=5e-3, total_steps=steps)
val_x, val_y = batch(1000)
for step in range(1, steps + 1):
    model.train()
    x, y = batch(128)
    logits, _ = model(x, y)
    loss = F.cross_entropy(logits.flatten(0, 1), y.flatten())
    opt.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    opt.step()
    sched.step()
    if step % 100 == 0:
        model.eval()
        with torch.no_grad():
            lv, _ = model(val_x, val_y)
            vl = F.cross_entropy(lv.flatten(0, 1), val_y.flatten()).item()
            acc = (model(val_x)[1] == val_y).float().mean().item()
        print(f"step {step}: train {loss.item():.4f} val {vl:.4f} position accuracy {acc:.4f}")
print("RESULT " + json.dumps({"position_accuracy": round(acc, 4), "good": acc > 0.93}))
