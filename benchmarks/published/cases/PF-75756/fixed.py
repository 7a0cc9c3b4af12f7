"""Tiny speech recogniser: BiGRU + CTC on synthetic spectrograms."""
import json
import sys

import torch
import torch.nn as nn

N_PHONES, N_BINS, ACCUMULATE = 5, 16, 2


def make_utterances(n, templates, gen):
    """each phone lasts 4 frames, 3 phones an utterance"""
    labels = torch.randint(1, N_PHONES + 1, (n, 3), generator=gen)
    frames = templates[labels - 1].repeat_interleave(4, dim=1)
    return frames + 0.6 * torch.randn(frames.shape, generator=gen), labels


class Recogniser(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn = nn.GRU(N_BINS, 24, batch_first=True, bidirectional=True)
        self.fc = nn.Linear(48, N_PHONES + 1)

    def forward(self, x):
        return self.fc(self.rnn(x)[0]).log_softmax(-1)


def greedy(log_probs):
    texts = []
    for path in log_probs.argmax(-1).tolist():
        merged = [p for i, p in enumerate(path) if i == 0 or p != path[i - 1]]
        texts.append([p for p in merged if p != 0])
    return texts


def main():
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    torch.manual_seed(seed)
    gen = torch.Generator().manual_seed(seed + 100)
    templates = torch.randn(N_PHONES, N_BINS, generator=gen)
    x, y = make_utterances(800, templates, gen)
    x_val, y_val = make_utterances(200, templates, gen)
    lengths = lambda batch: (torch.full((len(batch),), batch.size(1)), torch.full((len(batch),), 3))

    model = Recogniser()
    ctc = nn.CTCLoss(blank=0)
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    for epoch in range(12):
        model.train()
        for i, idx in enumerate(torch.randperm(len(x)).split(20)):
            n_in, n_out = lengths(x[idx])
            loss = ctc(model(x[idx]).transpose(0, 1), y[idx], n_in, n_out) / ACCUMULATE
            loss.backward()
            if (i + 1) % ACCUMULATE == 0:
                nn.utils.clip_grad_norm_(model.parameters(), 1.0)
                optimizer.step()
                optimizer.zero_grad()
        model.eval()
        with torch.no_grad():
            decoded = greedy(model(x_val))
        exact = sum(d == t for d, t in zip(decoded, y_val.tolist())) / len(y_val)
        print(f"epoch {epoch}: ctc {loss.item() * ACCUMULATE:.3f}  exact {exact:.3f}")
    print("RESULT", json.dumps({"metric": "accuracy", "value": exact}))


if __name__ == "__main__":
    main()
