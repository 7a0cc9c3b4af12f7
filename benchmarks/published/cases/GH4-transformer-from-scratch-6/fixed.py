import json
import math
import sys

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

KEYS, VALUES, PAIRS = 12, 6, 8
SEQ_LEN = 2 * PAIRS


class MultiHeadAttention(nn.Module):
    def __init__(self, hidden_dim, num_heads):
        super().__init__()
        self.num_heads = num_heads
        self.qkv_dim = hidden_dim // num_heads
        self.qkv_proj = nn.Linear(hidden_dim, 3 * hidden_dim, bias=False)
        self.o_proj = nn.Linear(hidden_dim, hidden_dim, bias=False)

    def scaled_dot_product(self, q, k, v):
        attn = torch.softmax(q @ k.transpose(-2, -1) / math.sqrt(self.qkv_dim), dim=-1)
        return attn @ v

    def forward(self, x):
        batch_size, sequence_length, hidden_dim = x.size()
        qkv = self.qkv_proj(x).reshape(batch_size, sequence_length, self.num_heads, 3 * self.qkv_dim)
        q, k, v = qkv.permute(0, 2, 1, 3).chunk(3, dim=-1)
        values = self.scaled_dot_product(q, k, v)
        values = values.permute(0, 2, 1, 3).reshape(batch_size, sequence_length, hidden_dim)
        return self.o_proj(values)


class EncoderBlock(nn.Module):
    def __init__(self, hidden_dim, ff_dim, num_heads):
        super().__init__()
        self.self_mha = MultiHeadAttention(hidden_dim, num_heads)
        self.feed_forward = nn.Sequential(nn.Linear(hidden_dim, ff_dim), nn.ReLU(), nn.Linear(ff_dim, hidden_dim))
        self.layer_norm1 = nn.LayerNorm(hidden_dim)
        self.layer_norm2 = nn.LayerNorm(hidden_dim)

    def forward(self, x):
        x = self.layer_norm1(x + self.self_mha(x))
        return self.layer_norm2(x + self.feed_forward(x))


class Tagger(nn.Module):
    def __init__(self, hidden_dim=64, num_heads=4, num_layers=2):
        super().__init__()
        self.key_embed = nn.Embedding(KEYS, hidden_dim)
        self.value_embed = nn.Embedding(VALUES + 1, hidden_dim)
        self.pos = nn.Parameter(torch.randn(SEQ_LEN, hidden_dim) * 0.02)
        self.blocks = nn.Sequential(*[EncoderBlock(hidden_dim, 128, num_heads) for _ in range(num_layers)])
        self.head = nn.Linear(hidden_dim, VALUES)

    def forward(self, keys, values):
        x = self.key_embed(keys) + self.value_embed(values) + self.pos
        return self.head(self.blocks(x))


def lookup_data(n):
    """PAIRS (key, value) tokens, then PAIRS questions (key, unknown); every token is tagged with its key's value."""
    stored = torch.stack([torch.randperm(KEYS)[:PAIRS] for _ in range(n)])
    values = torch.randint(0, VALUES, (n, PAIRS))
    asked = torch.randint(0, PAIRS, (n, PAIRS))
    keys = torch.cat([stored, stored.gather(1, asked)], 1)
    given = torch.cat([values, torch.full((n, PAIRS), VALUES)], 1)
    tags = torch.cat([values, values.gather(1, asked)], 1)
    return keys, given, tags


def main():
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    torch.manual_seed(seed)
    train_loader = DataLoader(TensorDataset(*lookup_data(6000)), batch_size=64, shuffle=True)
    test_keys, test_values, test_tags = lookup_data(1000)
    model = Tagger()
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    for epoch in range(3):
        losses = []
        for keys, values, tags in train_loader:
            optimizer.zero_grad()
            loss = criterion(model(keys, values).flatten(0, 1), tags.flatten())
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        with torch.no_grad():
            acc = (model(test_keys, test_values).argmax(-1) == test_tags)[:, PAIRS:].float().mean().item()
        print(f"epoch {epoch + 1} loss {sum(losses) / len(losses):.4f} test accuracy {acc:.4f}")
    print("RESULT", json.dumps({"metric": "accuracy", "value": acc}))


if __name__ == "__main__":
    main()
