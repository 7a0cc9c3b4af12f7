"""Prompt tuning (Lester et al., 2021): pretrain a small causal transformer, freeze it, learn four prompt vectors.

Pretraining text mixes four dialects (Markov chains over 12 symbols); the model must guess the dialect from context.
Afterwards 4 x 48 numbers per dialect are trained in front of the frozen model, to tell it the dialect at once.
Losses cannot go below the entropy rate of the chains.
"""
import json
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F

torch.set_num_threads(1)
SEED = int(sys.argv[1]) if len(sys.argv) > 1 else 0
V, K, L, D, P = 12, 4, 20, 48, 4


def dialects():
    g = torch.Generator().manual_seed(99)
    return (1.3 * torch.randn(K, V, V, generator=g)).softmax(-1)


TRANS = dialects()


def text(n, g, k=None):
    k = torch.randint(0, K, (n,), generator=g) if k is None else torch.full((n,), k)
    cur = torch.randint(0, V, (n,), generator=g)
    out = [cur]
    for _ in range(L - 1):
        cur = torch.multinomial(TRANS[k, cur], 1, generator=g).squeeze(1)
        out.append(cur)
    return torch.stack(out, 1), k


class TinyLM(nn.Module):
    def __init__(self):
        super().__init__()
        self.tok = nn.Embedding(V, D)
        self.pos = nn.Parameter(0.02 * torch.randn(P + L, D))
        layer = nn.TransformerEncoderLayer(D, 4, 4 * D, dropout=0.0, batch_first=True, norm_first=True)
        self.blocks = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.norm = nn.LayerNorm(D)
        self.out = nn.Linear(D, V)

    def forward(self, ids, prompt=None):
        """Positions 0..P-1 belong to the prompt; without one, a text starts at a random of the positions 0..P."""
        x = self.tok(ids)
        if prompt is None:
            start = int(torch.randint(0, P + 1, (1,))) if self.training else P
            x = x + self.pos[start:start + ids.shape[1]]
        else:
            x = torch.cat([prompt.expand(len(ids), -1, -1), x], 1) + self.pos[:P + ids.shape[1]]
        mask = torch.triu(torch.ones(x.shape[1], x.shape[1], dtype=torch.bool), 1)
        h = self.norm(self.blocks(x, mask=mask))
        return self.out(h[:, -ids.shape[1]:])


def lm_loss(model, ids, prompt=None, reduction="mean"):
    logits = model(ids[:, :-1], prompt)
    return F.cross_entropy(logits.transpose(1, 2), ids[:, 1:], reduction=reduction)


def pretrain(model, g, steps=1000):
    opt = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.01)
    sched = torch.optim.lr_scheduler.OneCycleLR(opt, 3e-3, total_steps=steps, pct_start=0.1)
    run = 0.0
    for s in range(1, steps + 1):
        loss = lm_loss(model, text(32, g)[0])
        opt.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        opt.step()
        sched.step()
        run += loss.item()
        if s % 100 == 0:
            print(f"pretrain {s} loss {run / 100:.4f}")
            run = 0.0


def tune_prompt(model, k, g, steps=100):
    prompt = nn.Parameter(model.tok.weight.detach()[torch.randint(0, V, (P,), generator=g)].clone())
    opt = torch.optim.Adam([prompt], lr=0.05)
    sched = torch.optim.lr_scheduler.CosineAnnealingLR(opt, steps)
    for s in range(1, steps + 1):
        loss = lm_loss(model, text(32, g, k)[0], prompt)
        opt.zero_grad()
        loss.backward()
        opt.step()
        sched.step()
        if s % 25 == 0:
            print(f"  dialect {k} prompt step {s} loss {loss.item():.4f}")
    return prompt.detach()


def main():
    torch.manual_seed(SEED)
    g = torch.Generator().manual_seed(SEED)
    model = TinyLM()
    pretrain(model, g)
    model.eval().requires_grad_(False)
    plain, tuned, floor = 0.0, 0.0, 0.0
    for k in range(K):
        prompt = tune_prompt(model, k, g)
        ids, _ = text(1500, g, k)
        early = slice(0, 5)  # the first five predictions, where the dialect is still unclear from the text
        with torch.no_grad():
            plain += lm_loss(model, ids, None, "none")[:, early].mean().item() / K
            tuned += lm_loss(model, ids, prompt, "none")[:, early].mean().item() / K
            true = -TRANS[k][ids[:, :-1], ids[:, 1:]].log()
            floor += true[:, early].mean().item() / K
    print(f"early loss: no prompt {plain:.4f}, prompt {tuned:.4f}, true chains {floor:.4f}")
    closed = (plain - tuned) / (plain - floor)
    print("RESULT " + json.dumps({"metric": "share_of_gap_to_optimum_closed_by_prompts", "value": round(closed, 4), "good": bool(closed > 0.5)}))


if __name__ == "__main__":
    main()
