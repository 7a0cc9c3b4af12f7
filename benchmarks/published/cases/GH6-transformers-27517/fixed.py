import json
import sys
from dataclasses import dataclass

import torch
import torch.nn as nn
import torch.nn.functional as F
from pydoc_data.topics import topics

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)

text = "\n".join(topics[k] for k in sorted(topics))
text = " ".join("".join(c if c.isalpha() and ord(c) < 128 else " " for c in text.lower()).split())[:300000]
chars = sorted(set(text))
stoi = {c: i for i, c in enumerate(chars)}
ids = torch.tensor([stoi[c] for c in text])
train_ids, valid_ids = ids[:270000], ids[270000:]
block_size = 32


@dataclass
class CausalLMOutput:
    loss: torch.Tensor
    logits: torch.Tensor


class DecoderLayer(nn.Module):
    def __init__(self, d, heads):
        super().__init__()
        self.heads = heads
        self.ln1 = nn.LayerNorm(d)
        self.qkv = nn.Linear(d, 3 * d)
        self.out = nn.Linear(d, d)
        self.ln2 = nn.LayerNorm(d)
        self.fc = nn.Sequential(nn.Linear(d, 4 * d), nn.GELU(), nn.Linear(4 * d, d))

    def forward(self, x):
        b, t, d = x.shape
        q, k, v = self.qkv(self.ln1(x)).view(b, t, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4)
        a = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(a.transpose(1, 2).reshape(b, t, d))
        return x + self.fc(self.ln2(x))


class DecoderForCausalLM(nn.Module):
    def __init__(self, vocab_size, d=64, layers=2, heads=4, max_len=block_size):
        super().__init__()
        self.vocab_size = vocab_size
        self.embed = nn.Embedding(vocab_size, d)
        self.pos = nn.Embedding(max_len, d)
        self.layers = nn.ModuleList([DecoderLayer(d, heads) for _ in range(layers)])
        self.norm = nn.LayerNorm(d)
        self.lm_head = nn.Linear(d, vocab_size)

    def forward(self, input_ids, labels=None):
        x = self.embed(input_ids) + self.pos(torch.arange(input_ids.shape[1]))
        for layer in self.layers:
            x = layer(x)
        logits = self.lm_head(self.norm(x))
        loss = None
        if labels is not None:
            loss_fct = nn.CrossEntropyLoss()
            loss = loss_fct(logits[:, :-1].reshape(-1, self.vocab_size), labels[:, 1:].reshape(-1))
        return CausalLMOutput(loss=loss, logits=logits)


def data_collator(source, batch_size):
    starts = torch.randint(0, len(source) - block_size, (batch_size,))
    input_ids = torch.stack([source[s:s + block_size] for s in starts])
    return {"input_ids": input_ids, "labels": input_ids.clone()}


@torch.no_grad()
def next_token_accuracy(model):
    model.eval()
    n = len(valid_ids) // block_size
    seqs = valid_ids[:n * block_size].view(n, block_size)[:300]
    pred = model(seqs).logits[:, :-1].argmax(-1)
    model.train()
    return (pred == seqs[:, 1:]).float().mean().item()


model = DecoderForCausalLM(len(chars))
optimizer = torch.optim.AdamW(model.parameters(), lr=4e-3, weight_decay=0.01)
max_steps = 300
scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, max_steps)
model.train()
for step in range(max_steps):
    batch = data_collator(train_ids, 32)
    outputs = model(**batch)
    optimizer.zero_grad()
    outputs.loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    scheduler.step()
    if step % 50 == 0:
        print(f"step {step} loss {outputs.loss.item():.4f}")

print("RESULT", json.dumps({"metric": "next token accuracy", "value": next_token_accuracy(model)}))
