import json
import random
import sys

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
random.seed(seed)
np.random.seed(seed)
torch.manual_seed(seed)

PAD, BOS, EOS, MASK = 0, 1, 2, 3
WORDS = {
    'det': ['the', 'a', 'this', 'every'],
    'adj': ['old', 'young', 'red', 'quiet', 'big', 'clever', 'tired'],
    'noun': ['dog', 'cat', 'teacher', 'sailor', 'girl', 'farmer', 'judge', 'bird', 'king'],
    'verb': ['sees', 'likes', 'follows', 'hears', 'helps', 'paints'],
    'adv': ['slowly', 'today', 'again', 'often'],
}
vocab = ['<pad>', '<s>', '</s>', '<mask>'] + [w for ws in WORDS.values() for w in ws]
stoi = {w: i for i, w in enumerate(vocab)}


def noun_phrase():
    words = [random.choice(WORDS['det'])]
    for _ in range(random.choice([0, 1, 1, 2])):
        words.append(random.choice(WORDS['adj']))
    words.append(random.choice(WORDS['noun']))
    return words


def sentence():
    words = noun_phrase() + [random.choice(WORDS['verb'])] + noun_phrase()
    if random.random() < 0.5:
        words.append(random.choice(WORDS['adv']))
    return [stoi[w] for w in words]


MAX_LEN = 12


def pad(ids, length):
    return ids + [PAD] * (length - len(ids))


def make_corpus(n):
    return [sentence() for _ in range(n)]


def collate(sents, mask_prob=0.1):
    src, tgt = [], []
    for s in sents:
        noisy = [MASK if random.random() < mask_prob else t for t in s]
        src.append(pad([BOS] + noisy + [EOS], MAX_LEN))
        tgt.append(pad([BOS] + s + [EOS], MAX_LEN))
    src = torch.tensor(src)
    tgt = torch.tensor(tgt)
    dst = tgt[:, 1:]
    labels = tgt[:, 1:]
    return src, dst, labels


class MiniBart(nn.Module):
    def __init__(self, n_vocab, d_model=64, n_heads=4, n_layers=1, d_ff=128):
        super().__init__()
        self.embedding = nn.Embedding(n_vocab, d_model, padding_idx=PAD)
        self.enc_pos = nn.Parameter(torch.randn(MAX_LEN, d_model) * 0.5)
        self.dec_pos = nn.Parameter(self.enc_pos.detach().clone())
        enc = nn.TransformerEncoderLayer(d_model, n_heads, d_ff, dropout=0.0, batch_first=True, norm_first=True)
        dec = nn.TransformerDecoderLayer(d_model, n_heads, d_ff, dropout=0.0, batch_first=True, norm_first=True)
        self.encoder = nn.TransformerEncoder(enc, n_layers, norm=nn.LayerNorm(d_model), enable_nested_tensor=False)
        self.decoder = nn.TransformerDecoder(dec, n_layers, norm=nn.LayerNorm(d_model))
        self.lm_head = nn.Linear(d_model, n_vocab)

    def encode(self, src):
        x = self.embedding(src) + self.enc_pos[:src.size(1)]
        return self.encoder(x, src_key_padding_mask=src.eq(PAD))

    def decode(self, memory, src, dst):
        length = dst.size(1)
        causal = torch.triu(torch.ones(length, length, dtype=torch.bool), diagonal=1)
        x = self.embedding(dst) + self.dec_pos[:length]
        x = self.decoder(x, memory, tgt_mask=causal, memory_key_padding_mask=src.eq(PAD))
        return self.lm_head(x)

    def forward(self, src, dst):
        return self.decode(self.encode(src), src, dst)


@torch.no_grad()
def generate(model, src):
    memory = model.encode(src)
    dst = torch.full((src.size(0), 1), BOS)
    for _ in range(MAX_LEN - 1):
        next_token = model.decode(memory, src, dst)[:, -1].argmax(-1, keepdim=True)
        dst = torch.cat([dst, next_token], dim=1)
    return dst


def main():
    train = make_corpus(4000)
    test = make_corpus(200)
    model = MiniBart(len(vocab))
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.01)
    n_steps, batch_size = 400, 32
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=3e-3, total_steps=n_steps, pct_start=0.1)

    model.train()
    for step in range(n_steps):
        src, dst, labels = collate(random.sample(train, batch_size))
        logits = model(src, dst)
        loss = F.cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=PAD)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        scheduler.step()
        if step % 100 == 0:
            print(f'step {step} loss {loss.item():.4f}')

    model.eval()
    correct = total = 0
    for i in range(0, len(test), 100):
        sents = test[i:i + 100]
        src, _, _ = collate(sents)
        out = generate(model, src)
        for s, o in zip(sents, out.tolist()):
            ref = s + [EOS]
            correct += sum(a == b for a, b in zip(ref, o[1:1 + len(ref)]))
            total += len(ref)
    print('RESULT ' + json.dumps({'reconstruction_accuracy': correct / total}))


if __name__ == '__main__':
    main()
