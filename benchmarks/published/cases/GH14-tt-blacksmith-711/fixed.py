"""LoRA finetuning of a small causal LM through a generic Trainer."""
import sys
import json
import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

SEED = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(SEED)
np.random.seed(SEED)
torch.set_num_threads(1)

VOCAB, SEQ = 32, 24


@dataclass
class TrainingConfig:
    learning_rate: float = 3e-3
    batch_size: int = 32
    num_epochs: int = 6
    lora_r: int = 8
    lora_alpha: int = 16
    val_steps_freq: int = 40
    ignored_index: int = -100


# ----------------------------------------------------------------- model
class Attention(nn.Module):
    def __init__(self, d, h):
        super().__init__()
        self.h = h
        self.q_proj, self.k_proj = nn.Linear(d, d, bias=False), nn.Linear(d, d, bias=False)
        self.v_proj, self.o_proj = nn.Linear(d, d, bias=False), nn.Linear(d, d, bias=False)

    def forward(self, x):
        B, T, D = x.shape
        q, k, v = [p(x).view(B, T, self.h, -1).transpose(1, 2) for p in (self.q_proj, self.k_proj, self.v_proj)]
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.o_proj(y.transpose(1, 2).reshape(B, T, D))


class DecoderLayer(nn.Module):
    def __init__(self, d, h):
        super().__init__()
        self.ln1, self.attn = nn.LayerNorm(d), Attention(d, h)
        self.ln2 = nn.LayerNorm(d)
        self.up_proj, self.down_proj = nn.Linear(d, 3 * d), nn.Linear(3 * d, d)

    def forward(self, x):
        x = x + self.attn(self.ln1(x))
        return x + self.down_proj(F.silu(self.up_proj(self.ln2(x))))


class CausalLM(nn.Module):
    def __init__(self, d=64, h=4, layers=2):
        super().__init__()
        self.embed_tokens = nn.Embedding(VOCAB, d)
        self.embed_pos = nn.Embedding(SEQ, d)
        self.layers = nn.ModuleList([DecoderLayer(d, h) for _ in range(layers)])
        self.norm = nn.LayerNorm(d)
        self.lm_head = nn.Linear(d, VOCAB, bias=False)

    def forward(self, ids):
        x = self.embed_tokens(ids) + self.embed_pos(torch.arange(ids.size(1)))
        for layer in self.layers:
            x = layer(x)
        return self.lm_head(self.norm(x))


class LoraLinear(nn.Module):
    def __init__(self, base, r, alpha):
        super().__init__()
        self.base = base
        self.lora_A = nn.Linear(base.in_features, r, bias=False)
        self.lora_B = nn.Linear(r, base.out_features, bias=False)
        nn.init.kaiming_uniform_(self.lora_A.weight, a=math.sqrt(5))
        nn.init.zeros_(self.lora_B.weight)
        self.scaling = alpha / r

    def forward(self, x):
        return self.base(x) + self.lora_B(self.lora_A(x)) * self.scaling


def get_lora_model(model, config):
    for p in model.parameters():
        p.requires_grad = False
    for layer in model.layers:
        for parent, names in ((layer.attn, ("q_proj", "k_proj", "v_proj", "o_proj")), (layer, ("up_proj", "down_proj"))):
            for name in names:
                setattr(parent, name, LoraLinear(getattr(parent, name), config.lora_r, config.lora_alpha))
    trainable = sum(p.numel() for p in model.parameters() if p.requires_grad)
    print(f"trainable params: {trainable} of {sum(p.numel() for p in model.parameters())}")
    return model


# ----------------------------------------------------------------- data
def pattern_corpus(n, step, rng, noise=0.03):
    """sequences where the next token is a fixed function of the two before it"""
    ids = np.zeros((n, SEQ + 1), np.int64)
    ids[:, :2] = rng.randint(0, VOCAB, size=(n, 2))
    for t in range(2, SEQ + 1):
        nxt = step(ids[:, t - 1], ids[:, t - 2])
        flip = rng.rand(n) < noise
        ids[:, t] = np.where(flip, rng.randint(0, VOCAB, size=n), nxt)
    return torch.from_numpy(ids)


# ----------------------------------------------------------------- trainer
class Trainer:
    def __init__(self, model, train_ds, val_ds, config):
        self.model, self.train_ds, self.val_ds, self.config = model, train_ds, val_ds, config
        self.optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=config.learning_rate)
        self.global_step = 0

    def batches(self):
        return self.train_ds[torch.randperm(len(self.train_ds))].split(self.config.batch_size)

    def compute_loss(self, batch):
        logits = self.model(batch[:, :-1])
        return F.cross_entropy(logits.reshape(-1, VOCAB), batch[:, 1:].reshape(-1), ignore_index=self.config.ignored_index)

    def optimizer_step(self):
        self.optimizer.step()
        self.optimizer.zero_grad()

    def training_step(self, batch):
        loss = self.compute_loss(batch)
        loss.backward()
        self.optimizer_step()
        self.global_step += 1
        return loss.item()

    @torch.no_grad()
    def validate(self):
        self.model.eval()
        loss = self.compute_loss(self.val_ds).item()
        self.model.train()
        return loss

    def train(self):
        self.model.train()
        running = []
        for epoch in range(self.config.num_epochs):
            for batch in self.batches():
                running.append(self.training_step(batch))
                if self.global_step % self.config.val_steps_freq == 0:
                    print(f"step {self.global_step:4d} train/loss {np.mean(running):.4f} val/loss {self.validate():.4f}")
                    running = []
        return self.validate()


def pretrain(model, corpus, steps, lr=3e-3):
    opt = torch.optim.AdamW(model.parameters(), lr=lr)
    sched = torch.optim.lr_scheduler.CosineAnnealingLR(opt, steps)
    for s in range(steps):
        b = corpus[torch.randint(0, len(corpus), (32,))]
        loss = F.cross_entropy(model(b[:, :-1]).reshape(-1, VOCAB), b[:, 1:].reshape(-1))
        opt.zero_grad()
        loss.backward()
        opt.step()
        sched.step()
    print(f"base model ready, loss {loss.item():.4f}")


if __name__ == "__main__":
    rng = np.random.RandomState(SEED + 21)
    base_perm, new_perm = rng.permutation(VOCAB), rng.permutation(VOCAB)
    base_corpus = pattern_corpus(3000, lambda a, b: base_perm[a], rng)
    tune_step = lambda a, b: np.where(b % 2 == 0, new_perm[a], base_perm[a])
    train_ds, val_ds = pattern_corpus(1600, tune_step, rng), pattern_corpus(300, tune_step, rng)

    model = CausalLM()
    pretrain(model, base_corpus, 300)

    config = TrainingConfig()
    trainer = Trainer(get_lora_model(model, config), train_ds, val_ds, config)
    print(f"val loss before finetuning {trainer.validate():.4f}")
    val_loss = trainer.train()
    print("RESULT " + json.dumps({"metric": "val_loss", "value": round(val_loss, 4)}))
