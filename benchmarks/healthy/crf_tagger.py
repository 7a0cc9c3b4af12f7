"""BiLSTM-CRF tagger: forward algorithm for the likelihood, Viterbi for decoding, on synthetic chunk tags.
Modelled after the PyTorch "Advanced: making dynamic decisions and the Bi-LSTM CRF" tutorial, batched."""
import json
import sys

import torch
import torch.nn as nn

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
gen = torch.Generator().manual_seed(seed + 100)

TAGS = ["O", "B-X", "I-X", "B-Y", "I-Y"]
K, VOCAB, T = len(TAGS), 40, 15
TRANS = torch.tensor([[0.6, 0.2, 0.0, 0.2, 0.0], [0.1, 0.0, 0.9, 0.0, 0.0], [0.5, 0.1, 0.4, 0.0, 0.0],
                      [0.2, 0.0, 0.0, 0.0, 0.8], [0.6, 0.0, 0.0, 0.1, 0.3]])
EMIT = torch.full((K, VOCAB), 0.01)
for k in range(K):
    EMIT[k, k * 8:(k + 1) * 8] = 1.0
EMIT[2, 32:] += 0.3
EMIT[4, 32:] += 0.3
EMIT = EMIT / EMIT.sum(1, keepdim=True)


def sample(n):
    tags = torch.zeros(n, T, dtype=torch.long)
    words = torch.zeros(n, T, dtype=torch.long)
    cur = torch.zeros(n, dtype=torch.long)
    for t in range(T):
        cur = torch.multinomial(TRANS[cur], 1, generator=gen).squeeze(1)
        tags[:, t] = cur
        words[:, t] = torch.multinomial(EMIT[cur], 1, generator=gen).squeeze(1)
    return words, tags


class CRF(nn.Module):
    def __init__(self, k):
        super().__init__()
        self.transitions = nn.Parameter(torch.zeros(k, k))
        self.start = nn.Parameter(torch.zeros(k))
        self.end = nn.Parameter(torch.zeros(k))

    def nll(self, emissions, tags):
        score = self.start[tags[:, 0]] + emissions.gather(2, tags.unsqueeze(2)).squeeze(2).sum(1)
        score = score + self.transitions[tags[:, :-1], tags[:, 1:]].sum(1) + self.end[tags[:, -1]]
        alpha = self.start + emissions[:, 0]
        for t in range(1, emissions.size(1)):
            alpha = torch.logsumexp(alpha.unsqueeze(2) + self.transitions, dim=1) + emissions[:, t]
        return (torch.logsumexp(alpha + self.end, dim=1) - score).mean()

    def viterbi(self, emissions):
        delta, back = self.start + emissions[:, 0], []
        for t in range(1, emissions.size(1)):
            best, arg = (delta.unsqueeze(2) + self.transitions).max(dim=1)
            delta = best + emissions[:, t]
            back.append(arg)
        last = (delta + self.end).argmax(1)
        path = [last]
        for arg in reversed(back):
            last = arg.gather(1, last.unsqueeze(1)).squeeze(1)
            path.append(last)
        return torch.stack(path[::-1], dim=1)


class Tagger(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(VOCAB, 16)
        self.lstm = nn.LSTM(16, 16, batch_first=True, bidirectional=True)
        self.drop = nn.Dropout(0.2)
        self.proj = nn.Linear(32, K)
        self.crf = CRF(K)

    def emissions(self, words):
        h, _ = self.lstm(self.drop(self.embed(words)))
        return self.proj(self.drop(h))


train_w, train_t = sample(3000)
test_w, test_t = sample(600)
model = Tagger()
opt = torch.optim.Adam(model.parameters(), lr=5e-3)
epochs = 8
sched = torch.optim.lr_scheduler.CosineAnnealingLR(opt, epochs)
for epoch in range(epochs):
    model.train()
    total = 0.0
    for idx in torch.randperm(len(train_w)).split(64):
        loss = model.crf.nll(model.emissions(train_w[idx]), train_t[idx])
        opt.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        opt.step()
        total += loss.item() * len(idx)
    sched.step()
    model.eval()
    with torch.no_grad():
        em = model.emissions(test_w)
        val = model.crf.nll(em, test_t).item()
        acc = (model.crf.viterbi(em) == test_t).float().mean().item()
    print(f"epoch {epoch + 1}: train nll {total / len(train_w):.3f} test nll {val:.3f} acc {acc:.4f}")
print("RESULT " + json.dumps({"tag_accuracy": round(acc, 4), "good": acc > 0.94}))
