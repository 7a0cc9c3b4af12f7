import json
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch.utils.data import DataLoader, TensorDataset

LEVELS = 8
BOS = LEVELS
LENGTH = 16


class DecoderOnlyTransformer(nn.Module):
    def __init__(self, num_tokens, max_seq_len, dim=48, depth=2, heads=4):
        super().__init__()
        self.token_embeddings = nn.Embedding(num_tokens, dim)
        self.position_embeddings = nn.Embedding(max_seq_len, dim)
        block = nn.TransformerEncoderLayer(dim, heads, dim * 4, dropout=0.0, batch_first=True, norm_first=True)
        self.blocks = nn.TransformerEncoder(block, depth, enable_nested_tensor=False)
        self.to_logits = nn.Linear(dim, num_tokens)

    def forward(self, x):
        n = x.shape[1]
        mask = torch.triu(torch.full((n, n), float("-inf")), diagonal=1)
        h = self.token_embeddings(x) + self.position_embeddings(torch.arange(n))
        return self.to_logits(self.blocks(h, mask=mask))


def latents():
    images = torch.tensor(load_digits().images, dtype=torch.float32).unsqueeze(1)
    small = F.avg_pool2d(images, 2)
    codes = (small / 16 * LEVELS).long().clamp(max=LEVELS - 1).flatten(1)
    bos = torch.full((len(codes), 1), BOS)
    return torch.cat([bos, codes], 1)


@torch.no_grad()
def complete(model, sequences, given):
    seq = sequences[:, :given]
    while seq.shape[1] < sequences.shape[1]:
        logits = model(seq)[:, -1]
        logits[:, BOS] = float("-inf")
        seq = torch.cat([seq, logits.argmax(-1, keepdim=True)], 1)
    return seq


def main():
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    torch.manual_seed(seed)
    data = latents()
    data = data[torch.randperm(len(data))]
    train, val = data[:1500], data[1500:]
    loader = DataLoader(TensorDataset(train), batch_size=32, shuffle=True)
    model = DecoderOnlyTransformer(LEVELS + 1, LENGTH + 1)
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-4)
    ce_loss = nn.CrossEntropyLoss()

    for epoch in range(12):
        model.train()
        epoch_loss = 0
        for (latent,) in loader:
            logits = model(latent).transpose(1, 2)
            loss = ce_loss(logits[:, :, :-1], latent[:, 1:])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            epoch_loss += loss.item()
        model.eval()
        with torch.no_grad():
            logits = model(val).transpose(1, 2)
            val_loss = ce_loss(logits[:, :, :-1], val[:, 1:]).item()
        print(f"epoch {epoch}: loss {epoch_loss / len(loader):.4f} val_loss {val_loss:.4f}")

    filled = complete(model, val, 9)
    mae = (filled[:, 9:] - val[:, 9:]).abs().float().mean().item()
    print("first completion:", filled[0].tolist())
    print("RESULT", json.dumps({"metric": "completion_mae", "value": mae}))


main()
