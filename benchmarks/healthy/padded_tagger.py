"""Tag each token of a padded sequence: has this symbol occurred before? A small Transformer encoder."""

import json
import sys

import torch
import torch.nn as nn
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import DataLoader

SYMBOLS, PAD, IGNORE = 30, 0, -100


def make_example():
    length = torch.randint(5, 25, ()).item()
    tokens = torch.randint(1, SYMBOLS + 1, (length,))
    seen, tags = set(), []
    for token in tokens.tolist():
        tags.append(int(token in seen))
        seen.add(token)
    return tokens, torch.tensor(tags)


def collate(batch):
    tokens, tags = zip(*batch)
    return pad_sequence(tokens, True, PAD), pad_sequence(tags, True, IGNORE)


class Tagger(nn.Module):
    def __init__(self, dim=32, max_len=25):
        super().__init__()
        self.embedding = nn.Embedding(SYMBOLS + 1, dim, padding_idx=PAD)
        self.position = nn.Parameter(0.02 * torch.randn(max_len, dim))
        layer = nn.TransformerEncoderLayer(dim, 4, 4 * dim, dropout=0.0, batch_first=True, norm_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.norm = nn.LayerNorm(dim)
        self.head = nn.Linear(dim, 2)

    def forward(self, tokens):
        t = tokens.shape[1]
        causal = torch.triu(torch.ones(t, t, dtype=torch.bool), diagonal=1)
        x = self.embedding(tokens) + self.position[:t]
        x = self.encoder(x, mask=causal, src_key_padding_mask=tokens == PAD)
        return self.head(self.norm(x))


def evaluate(model, loader):
    model.eval()
    correct = total = 0
    with torch.no_grad():
        for tokens, tags in loader:
            real = tags != IGNORE
            correct += (model(tokens).argmax(-1) == tags)[real].sum().item()
            total += real.sum().item()
    return correct / total


def main():
    torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
    train_loader = DataLoader([make_example() for _ in range(2000)], batch_size=32, shuffle=True, collate_fn=collate)
    val_loader = DataLoader([make_example() for _ in range(400)], batch_size=200, collate_fn=collate)

    model = Tagger()
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    criterion = nn.CrossEntropyLoss(ignore_index=IGNORE)
    for epoch in range(12):
        model.train()
        total = 0.0
        for tokens, tags in train_loader:
            optimizer.zero_grad()
            loss = criterion(model(tokens).flatten(0, 1), tags.flatten())
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            total += loss.item()
        acc = evaluate(model, val_loader)
        print(f"epoch {epoch + 1}: loss {total / len(train_loader):.4f}, val token acc {acc:.4f}")
    print("RESULT", json.dumps({"metric": "val_token_acc", "value": round(acc, 4), "good": acc >= 0.93}))


if __name__ == "__main__":
    main()
