import json, math, sys
import torch
import torch.nn as nn
import torch.nn.functional as F

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
torch.set_num_threads(1)
PAD, BOS, EOS = 0, 1, 2
VOCAB, T = 19, 16


class TinyLM(nn.Module):
    def __init__(self, vocab=VOCAB, d=48, nlayer=2, nhead=4, max_len=T):
        super().__init__()
        self.tok = nn.Embedding(vocab, d)
        self.pos = nn.Embedding(max_len, d)
        layer = nn.TransformerEncoderLayer(d_model=d, nhead=nhead, dim_feedforward=96, dropout=0.0,
                                           batch_first=True, norm_first=True)
        self.enc = nn.TransformerEncoder(layer, num_layers=nlayer, enable_nested_tensor=False)
        self.norm = nn.LayerNorm(d)
        self.proj = nn.Linear(d, vocab)

    def forward(self, x, causal_mask=None):
        B, L = x.shape
        h = self.tok(x) + self.pos(torch.arange(L))
        h = self.enc(h, mask=causal_mask)
        return self.proj(self.norm(h))


def make_batch(B, gen):
    """BOS, a walk over 16 symbols with a fixed stride (and now and then a jump), EOS, PAD."""
    x = torch.full((B, T), PAD, dtype=torch.long)
    for b in range(B):
        n = int(torch.randint(5, T - 2, (1,), generator=gen))
        start = int(torch.randint(0, 16, (1,), generator=gen))
        stride = (1, 2, 3, 5)[int(torch.randint(0, 4, (1,), generator=gen))]
        jumps = (torch.rand(n, generator=gen) < 0.08) * torch.randint(1, 16, (n,), generator=gen)
        walk = (start + stride * torch.arange(n) + jumps.cumsum(0)) % 16
        x[b, 0] = BOS
        x[b, 1:n + 1] = walk + 3
        x[b, n + 1] = EOS
    return x


def subsequent_mask(L):
    return torch.triu(torch.ones(L, L, dtype=torch.bool), diagonal=1)


gen = torch.Generator().manual_seed(seed)
data = make_batch(6000, gen)
val, test = make_batch(500, gen), make_batch(500, gen)


def lm_loss(model, x):
    logits = model(x[:, :-1], causal_mask=subsequent_mask(x.size(1) - 1))
    return F.cross_entropy(logits.reshape(-1, VOCAB), x[:, 1:].reshape(-1), ignore_index=PAD)


def run(steps=320, B=64):
    model = TinyLM()
    opt = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.01)
    sched = torch.optim.lr_scheduler.LambdaLR(
        opt, lambda s: min(1.0, (s + 1) / 50) * 0.5 * (1 + math.cos(math.pi * s / steps)))
    for it in range(1, steps + 1):
        model.train()
        x = data[torch.randint(0, len(data), (B,))]
        loss = lm_loss(model, x)
        opt.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        opt.step()
        sched.step()
        if it % 50 == 0:
            model.eval()
            with torch.no_grad():
                v = lm_loss(model, val).item()
            print(f"step {it} train loss {loss.item():.4f} val loss {v:.4f} ppl {math.exp(min(20, v)):.2f}")
    return model


model = run()

# next token from the prefix alone, as in generation; only inside the walk
model.eval()
hit, n = 0, 0
with torch.no_grad():
    for L in range(3, T):
        logits = model(test[:, :L], causal_mask=subsequent_mask(L))[:, -1]
        target = test[:, L]
        keep = target > EOS
        hit += ((logits[:, 3:].argmax(1) + 3)[keep] == target[keep]).sum().item()
        n += keep.sum().item()
print("RESULT " + json.dumps({"metric": hit / n}))
