"""Supervised fine-tuning of a small language model, then DPO on preference pairs.

Preferences follow a Bradley-Terry model on a hidden reward, so the optimum is
known: pi*(y|x) proportional to pi_ref(y|x) exp(r(x, y) / beta).
"""
import copy
import json
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
torch.set_num_threads(1)

VOCAB, LENGTH, PROMPTS = 12, 6, 4
BETA = 0.5


class PhraseLM(nn.Module):
    def __init__(self, width=48):
        super().__init__()
        self.prompt = nn.Embedding(PROMPTS, width)
        self.tok = nn.Embedding(VOCAB, width)
        self.rnn = nn.GRU(width, width, batch_first=True)
        self.head = nn.Linear(width, VOCAB)

    def log_prob(self, x, y):
        inp = torch.cat([self.prompt(x)[:, None], self.tok(y[:, :-1])], 1)
        logits = self.head(self.rnn(inp)[0])
        return -F.cross_entropy(logits.transpose(1, 2), y, reduction="none").sum(1)

    @torch.no_grad()
    def sample(self, x):
        e, h, out = self.prompt(x)[:, None], None, []
        for _ in range(LENGTH):
            o, h = self.rnn(e, h)
            t = torch.distributions.Categorical(logits=self.head(o[:, 0])).sample()
            out.append(t)
            e = self.tok(t)[:, None]
        return torch.stack(out, 1)


# ---- the world ---------------------------------------------------------------
trans = torch.distributions.Dirichlet(torch.full((VOCAB,), 0.7)).sample((PROMPTS, VOCAB))
first = torch.distributions.Dirichlet(torch.full((VOCAB,), 1.0)).sample((PROMPTS,))
taste = torch.randn(PROMPTS, VOCAB) * 0.35


def corpus(n):
    x = torch.randint(0, PROMPTS, (n,))
    y = [torch.multinomial(first[x], 1)[:, 0]]
    for _ in range(LENGTH - 1):
        y.append(torch.multinomial(trans[x, y[-1]], 1)[:, 0])
    return x, torch.stack(y, 1)


def corpus_log_prob(x, y):
    lp = first[x, y[:, 0]].log()
    for i in range(1, LENGTH):
        lp = lp + trans[x, y[:, i - 1], y[:, i]].log()
    return lp


def reward(x, y):
    return taste[x[:, None], y].sum(1)


# ---- stage 1: maximum likelihood ------------------------------------------------
def supervised(model, steps=800):
    opt = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.01)
    sched = torch.optim.lr_scheduler.LinearLR(opt, 1.0, 0.05, steps)
    for step in range(steps):
        x, y = corpus(256)
        loss = -model.log_prob(x, y).mean() / LENGTH
        opt.zero_grad()
        loss.backward()
        opt.step()
        sched.step()
        if step % 200 == 0 or step == steps - 1:
            print(f"[sft] step {step} nll/token {loss.item():.4f}")


# ---- stage 2: preferences ---------------------------------------------------------
def preference_pairs(model, n):
    x = torch.randint(0, PROMPTS, (n,))
    a, b = model.sample(x), model.sample(x)
    a_wins = torch.rand(n) < torch.sigmoid(reward(x, a) - reward(x, b))
    return x, torch.where(a_wins[:, None], a, b), torch.where(a_wins[:, None], b, a)


def dpo_loss(policy, ref, x, win, lose):
    with torch.no_grad():
        rw, rl = ref.log_prob(x, win), ref.log_prob(x, lose)
    pw, pl = policy.log_prob(x, win), policy.log_prob(x, lose)
    margin = BETA * ((pw - rw) - (pl - rl))
    return -F.logsigmoid(margin).mean(), (margin > 0).float().mean(), pw.mean(), pl.mean()


def align(policy, ref, train, held, epochs=3, batch=256):
    opt = torch.optim.AdamW(policy.parameters(), lr=2e-3, weight_decay=0.0)
    n = len(train[0])
    total = epochs * (n // batch)
    sched = torch.optim.lr_scheduler.LinearLR(opt, 1.0, 0.05, total)
    for epoch in range(epochs):
        order = torch.randperm(n)
        mean = 0.0
        for i in range(0, n - batch + 1, batch):
            idx = order[i:i + batch]
            loss, *_ = dpo_loss(policy, ref, *(t[idx] for t in train))
            opt.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(policy.parameters(), 1.0)
            opt.step()
            sched.step()
            mean += loss.item() / (n // batch)
        with torch.no_grad():
            hl, acc, cw, cl = dpo_loss(policy, ref, *held)
        print(f"[dpo] epoch {epoch} train {mean:.4f} held-out {hl:.4f} accuracy {acc:.3f} "
              f"logp chosen {cw:.3f} rejected {cl:.3f}")


lm = PhraseLM()
supervised(lm)
with torch.no_grad():
    x, y = corpus(8000)
    excess = (corpus_log_prob(x, y) - lm.log_prob(x, y)).mean().item() / LENGTH
print(f"sft: excess nll over the source's entropy {excess:.4f} nats/token")

reference = copy.deepcopy(lm).eval().requires_grad_(False)
train, held = preference_pairs(reference, 32000), preference_pairs(reference, 4000)
align(lm, reference, train, held)
true_margin = reward(held[0], held[1]) - reward(held[0], held[2])
print(f"held-out loss of the true reward {-F.logsigmoid(true_margin).mean().item():.4f}, "
      f"its accuracy {(true_margin > 0).float().mean().item():.3f}")

x = torch.randint(0, PROMPTS, (40000,))
y = reference.sample(x)
r = reward(x, y)
r_ref, ideal = 0.0, 0.0
for p in range(PROMPTS):
    rp = r[x == p]
    r_ref += rp.mean().item() / PROMPTS
    ideal += (rp * torch.softmax(rp / BETA, 0)).sum().item() / PROMPTS
r_new = sum(reward(torch.full((5000,), p), lm.sample(torch.full((5000,), p))).mean().item()
            for p in range(PROMPTS)) / PROMPTS
share = (r_new - r_ref) / (ideal - r_ref)
print(f"mean reward: reference {r_ref:.3f}, aligned {r_new:.3f}, optimum {ideal:.3f}")
print("RESULT " + json.dumps({"metric": "share_of_optimal_reward_gain", "value": round(share, 4),
                              "good": bool(0.8 < share < 1.2 and excess < 0.05)}))
