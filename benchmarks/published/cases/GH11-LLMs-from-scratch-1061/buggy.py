import sys, json
import numpy as np
import torch
import torch.nn as nn
from torch.utils.data import Dataset, DataLoader

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
np.random.seed(seed)
torch.manual_seed(seed)

VOCAB = 16
GPT_CONFIG = {"vocab_size": VOCAB, "context_length": 32, "emb_dim": 64, "n_heads": 4,
              "n_layers": 2, "drop_rate": 0.0, "qkv_bias": False}


class MHAPyTorchSDPAWithoutFlash(nn.Module):
    def __init__(self, d_in, d_out, num_heads, context_length, dropout=0.0, qkv_bias=False):
        super().__init__()
        self.num_heads = num_heads
        self.context_length = context_length
        self.head_dim = d_out // num_heads
        self.d_out = d_out
        self.qkv = nn.Linear(d_in, 3 * d_out, bias=qkv_bias)
        self.proj = nn.Linear(d_out, d_out)
        self.dropout = dropout
        self.register_buffer("mask", torch.triu(torch.ones(context_length, context_length), diagonal=1).bool())

    def forward(self, x):
        batch_size, num_tokens, embed_dim = x.shape
        qkv = self.qkv(x)
        qkv = qkv.view(batch_size, num_tokens, 3, self.num_heads, self.head_dim)
        queries, keys, values = qkv.permute(2, 0, 3, 1, 4)
        use_dropout = 0. if not self.training else self.dropout
        attn_mask = self.mask[:num_tokens, :num_tokens]
        context_vec = nn.functional.scaled_dot_product_attention(
            queries, keys, values, attn_mask=attn_mask, dropout_p=use_dropout, is_causal=False)
        context_vec = context_vec.transpose(1, 2).contiguous().view(batch_size, num_tokens, self.d_out)
        return self.proj(context_vec)


class TransformerBlock(nn.Module):
    def __init__(self, cfg):
        super().__init__()
        self.att = MHAPyTorchSDPAWithoutFlash(cfg["emb_dim"], cfg["emb_dim"], cfg["n_heads"],
                                              cfg["context_length"], cfg["drop_rate"], cfg["qkv_bias"])
        self.ff = nn.Sequential(nn.Linear(cfg["emb_dim"], 4 * cfg["emb_dim"]), nn.GELU(),
                                nn.Linear(4 * cfg["emb_dim"], cfg["emb_dim"]))
        self.norm1 = nn.LayerNorm(cfg["emb_dim"])
        self.norm2 = nn.LayerNorm(cfg["emb_dim"])

    def forward(self, x):
        x = x + self.att(self.norm1(x))
        return x + self.ff(self.norm2(x))


class GPTModel(nn.Module):
    def __init__(self, cfg):
        super().__init__()
        self.tok_emb = nn.Embedding(cfg["vocab_size"], cfg["emb_dim"])
        self.pos_emb = nn.Embedding(cfg["context_length"], cfg["emb_dim"])
        nn.init.normal_(self.tok_emb.weight, std=0.1)
        nn.init.normal_(self.pos_emb.weight, std=0.1)
        self.trf_blocks = nn.Sequential(*[TransformerBlock(cfg) for _ in range(cfg["n_layers"])])
        self.final_norm = nn.LayerNorm(cfg["emb_dim"])
        self.out_head = nn.Linear(cfg["emb_dim"], cfg["vocab_size"], bias=False)

    def forward(self, in_idx):
        x = self.tok_emb(in_idx) + self.pos_emb(torch.arange(in_idx.shape[1]))
        return self.out_head(self.final_norm(self.trf_blocks(x)))


class GPTDatasetV1(Dataset):
    def __init__(self, token_ids, max_length, stride):
        self.input_ids, self.target_ids = [], []
        for i in range(0, len(token_ids) - max_length, stride):
            self.input_ids.append(torch.tensor(token_ids[i:i + max_length]))
            self.target_ids.append(torch.tensor(token_ids[i + 1: i + max_length + 1]))

    def __len__(self):
        return len(self.input_ids)

    def __getitem__(self, idx):
        return self.input_ids[idx], self.target_ids[idx]


def make_text(n, table):
    """a language in which the next letter depends on the last two"""
    text = [0, 1]
    u = np.random.rand(n)
    for k in range(n):
        p = table[text[-2], text[-1]]
        text.append(int(min(np.searchsorted(np.cumsum(p), u[k]), VOCAB - 1)))
    return text[2:]


table = np.full((VOCAB, VOCAB, VOCAB), 0.15 / VOCAB)
for a in range(VOCAB):
    for b in range(VOCAB):
        c = np.random.choice(VOCAB, 2, replace=False)
        table[a, b, c[0]] += 0.65
        table[a, b, c[1]] += 0.20

train_loader = DataLoader(GPTDatasetV1(make_text(100000, table), 32, 32), batch_size=32, shuffle=True, drop_last=True)
val_ids = make_text(6000, table)
val_loader = DataLoader(GPTDatasetV1(val_ids, 32, 32), batch_size=64)

model = GPTModel(GPT_CONFIG)
optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.01)
num_epochs = 4
scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, num_epochs, eta_min=1e-4)


def calc_loss_batch(input_batch, target_batch):
    logits = model(input_batch)
    return nn.functional.cross_entropy(logits.flatten(0, 1), target_batch.flatten())


for epoch in range(num_epochs):
    model.train()
    train_losses = []
    for input_batch, target_batch in train_loader:
        optimizer.zero_grad()
        loss = calc_loss_batch(input_batch, target_batch)
        loss.backward()
        optimizer.step()
        train_losses.append(loss.item())
    scheduler.step()
    model.eval()
    with torch.no_grad():
        val_loss = np.mean([calc_loss_batch(a, b).item() for a, b in val_loader])
    print(f"Ep {epoch + 1}: Train loss {np.mean(train_losses):.3f}, Val loss {val_loss:.3f}")

# continue unseen text: only the letters before the one asked for are given
model.eval()
right = total = 0
with torch.no_grad():
    for n in range(8, 33, 4):
        starts = range(0, len(val_ids) - n, 11)
        ctx = torch.tensor([val_ids[s:s + n] for s in starts])
        nxt = torch.tensor([val_ids[s + n] for s in starts])
        pred = model(ctx)[:, -1].argmax(-1)
        right += (pred == nxt).sum().item()
        total += len(nxt)
print("next letter right: %.3f" % (right / total))
print("RESULT " + json.dumps({"metric": round(right / total, 4)}))
