import json
import math
import sys

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
rng = np.random.default_rng(seed)

GRID, CODES = 5, 8


def token_grids(n):
    """Codebook indices of n tiny images, each a tilted ramp of codes."""
    i, j = np.mgrid[:GRID, :GRID]
    start, right, down = rng.integers(0, CODES, n), rng.integers(0, 3, n), rng.integers(0, 3, n)
    ids = start[:, None, None] + right[:, None, None] * j + down[:, None, None] * i
    return torch.tensor((ids % CODES).reshape(n, -1))


class TokenTransformer(nn.Module):
    def __init__(self, num_tokens, seq_len, dim=48, depth=2, heads=4):
        super().__init__()
        self.mask_id = num_tokens
        self.token_emb = nn.Embedding(num_tokens + 1, dim)
        self.pos_emb = nn.Embedding(seq_len, dim)
        layer = nn.TransformerEncoderLayer(dim, heads, 2 * dim, dropout=0.0, batch_first=True, norm_first=True)
        self.blocks = nn.TransformerEncoder(layer, depth, enable_nested_tensor=False)
        self.norm = nn.LayerNorm(dim)
        self.to_logits = nn.Linear(dim, num_tokens)

    def forward(self, x):
        pos = torch.arange(x.shape[1])
        return self.to_logits(self.norm(self.blocks(self.token_emb(x) + self.pos_emb(pos))))


class MaskGit(nn.Module):
    def __init__(self, transformer):
        super().__init__()
        self.transformer = transformer
        self.mask_id = transformer.mask_id

    def random_mask(self, ids):
        batch, seq_len = ids.shape
        num = (torch.cos(torch.rand(batch) * math.pi * 0.5) * seq_len).round().clamp(min=1)
        return torch.rand(batch, seq_len).argsort(-1) < num[:, None]

    def forward(self, ids):
        mask = self.random_mask(ids)
        x = torch.where(mask, self.mask_id, ids)
        labels = torch.where(mask, ids, -1)
        logits = self.transformer(ids)
        return F.cross_entropy(logits.transpose(1, 2), labels, ignore_index=-1)

    @torch.no_grad()
    def fill_in(self, ids, mask):
        x = torch.where(mask, self.mask_id, ids)
        return self.transformer(x).argmax(-1)


train_ids, test_ids = token_grids(3000), token_grids(500)
test_mask = torch.rand(test_ids.shape) < 0.5

net = MaskGit(TokenTransformer(CODES, GRID * GRID))
optimizer = torch.optim.Adam(net.parameters(), lr=2e-3)
for epoch in range(6):
    net.train()
    losses = []
    for idx in torch.randperm(len(train_ids)).split(64):
        loss = net(train_ids[idx])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    print(f"epoch {epoch} loss {np.mean(losses):.4f}")

net.eval()
filled = net.fill_in(test_ids, test_mask)
acc = (filled == test_ids)[test_mask].float().mean().item()
print("RESULT", json.dumps({"metric": "masked token accuracy", "value": acc}))
