"""A bidirectional GRU with CTC that reads strings of tone words off a log spectrogram.

Modelled after the AssemblyAI "end-to-end speech recognition in PyTorch" tutorial (Deep Speech 2 style, OneCycle); synthetic audio, own code.
"""
import json
import math
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import DataLoader

SR, HOP, NFFT = 4000, 160, 256
WORDS = [(350, 900), (450, 1200), (550, 900), (350, 1400), (650, 1200), (450, 1600), (550, 1600), (700, 1500)]


def utter(labels, g):
    rnd = lambda a, b: a + (b - a) * torch.rand((), generator=g).item()
    parts = [torch.zeros(int(rnd(0.02, 0.1) * SR))]
    pitch = rnd(0.95, 1.05)
    for c in labels:
        n = int(rnd(0.1, 0.2) * SR)
        t = torch.arange(n) / SR
        env = torch.sin(math.pi * torch.arange(n) / n) ** 0.5
        f1, f2 = WORDS[c]
        parts.append(env * (torch.sin(2 * math.pi * f1 * pitch * t) + 0.7 * torch.sin(2 * math.pi * f2 * pitch * t)))
        parts.append(torch.zeros(int(rnd(0.05, 0.12) * SR)))
    wav = torch.cat(parts)
    return wav + 0.3 * torch.randn(len(wav), generator=g)


def features(wav):
    spec = torch.stft(wav, NFFT, HOP, window=torch.hann_window(NFFT), return_complex=True).abs()
    mel = F.avg_pool1d(spec[1:].T[None], 4)[0]                    # (frames, 32)
    mel = torch.log(mel + 1e-3)
    return (mel - mel.mean(0)) / (mel.std() + 1e-5)


def make_set(n, seed):
    g = torch.Generator().manual_seed(seed)
    out = []
    for _ in range(n):
        labels = torch.randint(len(WORDS), (int(torch.randint(3, 7, (), generator=g)),), generator=g)
        out.append((features(utter(labels.tolist(), g)), labels))
    return out


def collate(batch):
    xs, ys = zip(*batch)
    return (pad_sequence(xs, batch_first=True), torch.tensor([len(x) for x in xs]),
            torch.cat(ys) + 1, torch.tensor([len(y) for y in ys]))


class Recogniser(nn.Module):
    def __init__(self, hidden=48):
        super().__init__()
        self.conv = nn.Sequential(nn.Conv1d(32, hidden, 3, padding=1), nn.GELU())
        self.norm = nn.LayerNorm(hidden)
        self.rnn = nn.GRU(hidden, hidden, batch_first=True, bidirectional=True)
        self.out = nn.Linear(2 * hidden, len(WORDS) + 1)

    def forward(self, x):
        h = self.norm(self.conv(x.transpose(1, 2)).transpose(1, 2))
        return self.out(self.rnn(h)[0]).log_softmax(-1)


def edit_distance(a, b):
    d = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        prev, d[0] = d[0], i
        for j, y in enumerate(b, 1):
            prev, d[j] = d[j], min(d[j] + 1, d[j - 1] + 1, prev + (x != y))
    return d[-1]


@torch.no_grad()
def word_error_rate(model, loader):
    model.eval()
    errs = n = 0
    for x, xl, y, yl in loader:
        best = model(x).argmax(-1)
        for i, target in enumerate(y.split(yl.tolist())):
            path = torch.unique_consecutive(best[i, :xl[i]])
            errs += edit_distance(path[path > 0].tolist(), target.tolist())
            n += len(target)
    return errs / n


def main(seed):
    torch.manual_seed(seed)
    train, test = make_set(800, seed), make_set(200, 10_000 + seed)
    train_dl = DataLoader(train, batch_size=20, shuffle=True, collate_fn=collate)
    test_dl = DataLoader(test, batch_size=100, collate_fn=collate)
    model = Recogniser()
    ctc = nn.CTCLoss(blank=0)
    epochs = 15
    opt = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=1e-2)
    sched = torch.optim.lr_scheduler.OneCycleLR(opt, max_lr=3e-3, total_steps=epochs * len(train_dl))
    for epoch in range(epochs):
        model.train()
        total = 0.0
        for x, xl, y, yl in train_dl:
            opt.zero_grad()
            loss = ctc(model(x).transpose(0, 1), y, xl, yl)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 5.0)
            opt.step()
            sched.step()
            total += loss.item()
        wer = word_error_rate(model, test_dl)
        print(f"epoch {epoch + 1:2d}  ctc {total / len(train_dl):.4f}  test WER {wer:.4f}")
    print("RESULT", json.dumps({"metric": "test_wer", "value": round(wer, 5), "good": bool(wer <= 0.02)}))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
