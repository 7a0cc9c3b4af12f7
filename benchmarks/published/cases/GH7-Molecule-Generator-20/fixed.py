import json
import sys

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
rng = np.random.default_rng(seed)

VOCAB = ["<pad>", "<eos>", "C", "N", "O", "c", "n", "(", ")", "=", "1", "F"]
MAX_LEN = 48
FRAGMENTS = [["C"], ["C", "C"], ["N"], ["O"], ["C", "(", "=", "O", ")"], ["c", "1", "c", "c", "n", "c", "1"], ["F"], ["(", "C", ")"]]


def sample_molecules(n):
    data = np.zeros((n, MAX_LEN), dtype="int64")
    for i in range(n):
        tokens = []
        for _ in range(rng.integers(2, 4)):
            tokens += FRAGMENTS[rng.integers(len(FRAGMENTS))]
        ids = [VOCAB.index(t) for t in tokens[:10]] + [1]
        data[i, :len(ids)] = ids
    return torch.from_numpy(data)


class VAE(nn.Module):
    def __init__(self, vocab, emb=24, hidden=64, latent=16, pad_idx=0):
        super().__init__()
        self.pad_idx = pad_idx
        self.embed = nn.Embedding(vocab, emb, padding_idx=pad_idx)
        self.encoder = nn.Sequential(nn.Linear(emb * MAX_LEN, hidden), nn.ReLU())
        self.mu, self.logvar = nn.Linear(hidden, latent), nn.Linear(hidden, latent)
        self.position = nn.Parameter(torch.randn(MAX_LEN, 16) * 0.1)
        self.decoder = nn.Sequential(nn.Linear(latent + 16, 96), nn.ReLU(), nn.Linear(96, 96), nn.ReLU(), nn.Linear(96, vocab))

    def decode(self, z):
        z = z.unsqueeze(1).expand(-1, MAX_LEN, -1)
        return self.decoder(torch.cat([z, self.position.expand(len(z), -1, -1)], -1))

    def forward(self, x):
        h = self.encoder(self.embed(x).flatten(1))
        mu, logvar = self.mu(h), self.logvar(h).clamp(-8, 8)
        z = mu + torch.randn_like(mu) * (0.5 * logvar).exp() if self.training else mu
        return self.decode(z), mu, logvar


def loss_function(logits, x, mu, logvar, beta, pad_idx=-100):
    recon = F.cross_entropy(logits.reshape(-1, logits.size(-1)), x.reshape(-1), ignore_index=pad_idx)
    kl = -0.5 * (1 + logvar - mu.pow(2) - logvar.exp()).sum(1).mean()
    return recon + beta * kl, recon, kl


def train(model, data, optimizer, beta=0.02):
    model.train()
    log = []
    for idx in torch.randperm(len(data)).split(64):
        x = data[idx]
        logits, mu, logvar = model(x)
        loss, recon, kl = loss_function(logits, x, mu, logvar, beta, pad_idx=model.pad_idx)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        log.append([loss.item(), recon.item(), kl.item()])
    return np.mean(log, 0)


@torch.no_grad()
def test(model, data):
    model.eval()
    logits, _, _ = model(data)
    real = data != model.pad_idx
    return (logits.argmax(-1) == data)[real].float().mean().item()


train_data, test_data = sample_molecules(2000), sample_molecules(500)
model = VAE(len(VOCAB))
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
for epoch in range(16):
    total, recon, kl = train(model, train_data, optimizer)
    acc = test(model, test_data)
    print(f"epoch {epoch}: loss {total:.4f} recon {recon:.4f} kl {kl:.3f} | test token accuracy {acc:.4f}")

print("RESULT", json.dumps({"metric": "token_accuracy", "value": acc}))
