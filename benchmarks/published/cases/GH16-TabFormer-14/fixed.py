"""Hierarchical tabular transformer, field level only: flags transactions from their categorical fields."""
import json
import sys

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

N_COLS, CARD = 8, 12


def make_transactions(n, rng):
    fields = rng.integers(0, CARD, size=(n, N_COLS))
    same = rng.random(n) < 0.5
    fields[same, 5] = fields[same, 1]
    y = ((fields[:, 5] == fields[:, 1]) ^ (fields[:, 3] < 2)).astype(np.int64)
    ids = fields + np.arange(N_COLS) * CARD
    return torch.tensor(ids), torch.tensor(y)


class TabFormerEmbeddings(nn.Module):
    def __init__(self, vocab, hidden=64, nhead=4, layers=2):
        super().__init__()
        self.word_embeddings = nn.Embedding(vocab, hidden)
        encoder_layer = nn.TransformerEncoderLayer(d_model=hidden, nhead=nhead, dim_feedforward=hidden * 2, dropout=0.1)
        self.transformer_encoder = nn.TransformerEncoder(encoder_layer, num_layers=layers)
        self.lin_proj = nn.Linear(hidden * N_COLS, hidden)

    def forward(self, input_ids):
        inputs_embeds = self.word_embeddings(input_ids)
        inputs_embeds = inputs_embeds.permute(1, 0, 2)
        inputs_embeds = self.transformer_encoder(inputs_embeds)
        inputs_embeds = inputs_embeds.permute(1, 0, 2)
        inputs_embeds = inputs_embeds.reshape(input_ids.size(0), -1)
        return self.lin_proj(inputs_embeds)


class FraudHead(nn.Module):
    def __init__(self, vocab, hidden=64):
        super().__init__()
        self.tab_embeddings = TabFormerEmbeddings(vocab, hidden)
        self.classifier = nn.Linear(hidden, 2)

    def forward(self, ids):
        return self.classifier(self.tab_embeddings(ids))


def evaluate(model, loader):
    model.eval()
    hit = tot = 0
    with torch.no_grad():
        for ids, y in loader:
            hit += (model(ids).argmax(1) == y).sum().item()
            tot += len(y)
    return hit / tot


def main():
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    train = TensorDataset(*make_transactions(6000, rng))
    test = TensorDataset(*make_transactions(1500, rng))
    train_loader = DataLoader(train, batch_size=64, shuffle=True)
    test_loader = DataLoader(test, batch_size=64)
    model = FraudHead(N_COLS * CARD)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    criterion = nn.CrossEntropyLoss()
    for epoch in range(10):
        model.train()
        running = 0.0
        for ids, y in train_loader:
            optimizer.zero_grad()
            loss = criterion(model(ids), y)
            loss.backward()
            optimizer.step()
            running += loss.item()
        print(f"epoch {epoch + 1} loss {running / len(train_loader):.4f} test acc {evaluate(model, test_loader):.4f}")
    acc = evaluate(model, test_loader)
    print("RESULT " + json.dumps({"metric": "test accuracy", "value": round(acc, 4)}))


if __name__ == "__main__":
    main()
