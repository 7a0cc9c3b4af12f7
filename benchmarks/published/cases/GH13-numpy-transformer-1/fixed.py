import sys
import json
import math
import numpy as np
import torch
import torch.nn as nn

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
np.random.seed(seed)
torch.manual_seed(seed)

PAD_TOKEN, SOS_TOKEN, EOS_TOKEN = 0, 1, 2
VOCAB = 20
SRC_LEN = 6
BATCH_SIZE = 64


def make_corpus(n, rng):
    # the target language has its own words and puts them in the opposite order
    dictionary = np.random.RandomState(7).permutation(VOCAB)
    src = rng.randint(0, VOCAB, (n, SRC_LEN))
    trg = dictionary[src][:, ::-1] + 3
    src = src + 3
    sos = np.full((n, 1), SOS_TOKEN)
    eos = np.full((n, 1), EOS_TOKEN)
    trg = np.concatenate([sos, trg, eos], 1)
    return torch.tensor(src), torch.tensor(trg.copy())


class PositionalEncoding(nn.Module):
    """Implements the sinusoidal positional encoding"""

    def __init__(self, max_len, d_model, dropout_rate=0.1):
        super().__init__()
        self.dropout = nn.Dropout(dropout_rate)
        pe = torch.zeros(max_len, d_model)
        position = torch.arange(0, max_len).unsqueeze(1).float()
        div_term = torch.exp(torch.arange(0, d_model, 2).float() * (-math.log(10000.0) / d_model))
        pe[:, 0::2] = torch.sin(position * div_term)
        pe[:, 1::2] = torch.cos(position * div_term)
        self.register_buffer('pe', pe[None, :, :])

    def forward(self, x):
        x = x + self.pe[:, :x.shape[1], :]  # (batch_size, seq_len, d_model)
        return self.dropout(x)


class EncoderLayer(nn.Module):
    def __init__(self, d_model, heads, d_ff, dropout):
        super().__init__()
        self.self_attention = nn.MultiheadAttention(d_model, heads, dropout=dropout, batch_first=True)
        self.self_attention_norm = nn.LayerNorm(d_model)
        self.ff_layer_norm = nn.LayerNorm(d_model)
        self.feed_forward = nn.Sequential(nn.Linear(d_model, d_ff), nn.ReLU(), nn.Linear(d_ff, d_model))
        self.dropout = nn.Dropout(dropout)

    def forward(self, src):
        _src, _ = self.self_attention(src, src, src, need_weights=False)
        src = self.self_attention_norm(src + self.dropout(_src))
        return self.ff_layer_norm(src + self.dropout(self.feed_forward(src)))


class DecoderLayer(nn.Module):
    def __init__(self, d_model, heads, d_ff, dropout):
        super().__init__()
        self.self_attention = nn.MultiheadAttention(d_model, heads, dropout=dropout, batch_first=True)
        self.encoder_attention = nn.MultiheadAttention(d_model, heads, dropout=dropout, batch_first=True)
        self.norm1 = nn.LayerNorm(d_model)
        self.norm2 = nn.LayerNorm(d_model)
        self.norm3 = nn.LayerNorm(d_model)
        self.feed_forward = nn.Sequential(nn.Linear(d_model, d_ff), nn.ReLU(), nn.Linear(d_ff, d_model))
        self.dropout = nn.Dropout(dropout)

    def forward(self, trg, src, trg_mask):
        _trg, _ = self.self_attention(trg, trg, trg, attn_mask=trg_mask, need_weights=False)
        trg = self.norm1(trg + self.dropout(_trg))
        _trg, _ = self.encoder_attention(trg, src, src, need_weights=False)
        trg = self.norm2(trg + self.dropout(_trg))
        return self.norm3(trg + self.dropout(self.feed_forward(trg)))


class Seq2Seq(nn.Module):
    def __init__(self, d_model=64, heads=4, d_ff=128, layers=1, dropout=0.05):
        super().__init__()
        self.scale = math.sqrt(d_model)
        self.src_embedding = nn.Embedding(VOCAB + 3, d_model)
        self.trg_embedding = nn.Embedding(VOCAB + 3, d_model)
        nn.init.normal_(self.src_embedding.weight, std=1 / self.scale)
        nn.init.normal_(self.trg_embedding.weight, std=1 / self.scale)
        self.position_embedding = PositionalEncoding(5000, d_model, dropout)
        self.encoder = nn.ModuleList([EncoderLayer(d_model, heads, d_ff, dropout) for _ in range(layers)])
        self.decoder = nn.ModuleList([DecoderLayer(d_model, heads, d_ff, dropout) for _ in range(layers)])
        self.fc_out = nn.Linear(d_model, VOCAB + 3)

    def encode(self, src):
        src = self.position_embedding(self.src_embedding(src) * self.scale)
        for layer in self.encoder:
            src = layer(src)
        return src

    def decode(self, trg, enc):
        L = trg.shape[1]
        mask = torch.triu(torch.ones(L, L, dtype=torch.bool), 1)
        trg = self.position_embedding(self.trg_embedding(trg) * self.scale)
        for layer in self.decoder:
            trg = layer(trg, enc, mask)
        return self.fc_out(trg)

    def forward(self, src, trg):
        return self.decode(trg, self.encode(src))


rng = np.random.RandomState(30 + seed)
train_src, train_trg = make_corpus(9600, rng)
valid_src, valid_trg = make_corpus(640, rng)

model = Seq2Seq()
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3, betas=(0.9, 0.98), eps=1e-9)
criterion = nn.CrossEntropyLoss(ignore_index=PAD_TOKEN)
n_epochs = 3
scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, n_epochs)

for epoch in range(n_epochs):
    model.train()
    losses = []
    perm = torch.randperm(len(train_src))
    for s in range(0, len(perm), BATCH_SIZE):
        ii = perm[s:s + BATCH_SIZE]
        src, trg = train_src[ii], train_trg[ii]
        out = model(src, trg[:, :-1])
        loss = criterion(out.reshape(-1, out.shape[-1]), trg[:, 1:].reshape(-1))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    scheduler.step()
    model.eval()
    with torch.no_grad():
        val = []
        for s in range(0, len(valid_src), BATCH_SIZE):
            src, trg = valid_src[s:s + BATCH_SIZE], valid_trg[s:s + BATCH_SIZE]
            out = model(src, trg[:, :-1])
            val.append(criterion(out.reshape(-1, out.shape[-1]), trg[:, 1:].reshape(-1)).item())
    print(f'epoch {epoch}: train loss {np.mean(losses):.4f}, val loss {np.mean(val):.4f}')

# greedy translation of the validation sentences
model.eval()
hits = total = 0
with torch.no_grad():
    for s in range(0, len(valid_src), BATCH_SIZE):
        src, trg = valid_src[s:s + BATCH_SIZE], valid_trg[s:s + BATCH_SIZE]
        enc = model.encode(src)
        hyp = torch.full((len(src), 1), SOS_TOKEN)
        for _ in range(SRC_LEN):
            hyp = torch.cat([hyp, model.decode(hyp, enc)[:, -1].argmax(-1, keepdim=True)], 1)
        hits += (hyp[:, 1:] == trg[:, 1:-1]).sum().item()
        total += hyp[:, 1:].numel()
print('RESULT ' + json.dumps({"metric": "greedy translation token accuracy", "value": round(hits / total, 4)}))
