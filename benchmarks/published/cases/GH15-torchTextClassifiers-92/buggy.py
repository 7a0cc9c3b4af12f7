import json
import sys
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader

torch.set_num_threads(1)

PAD = 0


def norm(x):
    return F.rms_norm(x, (x.size(-1),))


@dataclass
class TextEmbedderConfig:
    vocab_size: int
    embedding_dim: int
    padding_idx: int
    num_classes: int
    n_head: int = 4


class LabelAttentionClassifier(nn.Module):
    """Labels are queries that attend over the tokens and give one sentence embedding per label."""

    def __init__(self, config):
        super().__init__()
        self.embedding_dim = config.embedding_dim
        self.num_classes = config.num_classes
        self.n_head = config.n_head
        self.head_dim = self.embedding_dim // self.n_head
        self.label_embeds = nn.Embedding(self.num_classes, self.embedding_dim)
        self.c_q = nn.Linear(self.embedding_dim, self.embedding_dim, bias=False)
        self.c_k = nn.Linear(self.embedding_dim, self.embedding_dim, bias=False)
        self.c_v = nn.Linear(self.embedding_dim, self.embedding_dim, bias=False)
        self.c_proj = nn.Linear(self.embedding_dim, self.embedding_dim, bias=False)

    def forward(self, token_embeddings, attention_mask):
        B, T, C = token_embeddings.size()
        labels = norm(self.label_embeds(torch.arange(self.num_classes).expand(B, -1)))
        q = self.c_q(labels).view(B, self.num_classes, self.n_head, self.head_dim)
        k = self.c_k(token_embeddings).view(B, T, self.n_head, self.head_dim)
        v = self.c_v(token_embeddings).view(B, T, self.n_head, self.head_dim)
        q, k = norm(q), norm(k)
        q, k, v = q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2)
        mask = (attention_mask == 0).view(B, 1, 1, T).expand(B, self.n_head, self.num_classes, T)
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        y = y.transpose(1, 2).contiguous().view(B, self.num_classes, -1)
        return self.c_proj(y)


class TextEmbedder(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.embedding_layer = nn.Embedding(config.vocab_size, config.embedding_dim, padding_idx=config.padding_idx)
        self.label_attention_module = LabelAttentionClassifier(config)

    def forward(self, input_ids, attention_mask):
        token_embeddings = norm(self.embedding_layer(input_ids))
        return self.label_attention_module(token_embeddings, attention_mask)


class TextClassificationModel(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.text_embedder = TextEmbedder(config)
        self.classification_head = nn.Linear(config.embedding_dim, 1)

    def forward(self, input_ids, attention_mask):
        return self.classification_head(self.text_embedder(input_ids, attention_mask)).squeeze(-1)


class Tokenizer:
    def __init__(self, texts):
        words = sorted({w for t in texts for w in t.split()})
        self.word2id = {w: i + 2 for i, w in enumerate(words)}
        self.vocab_size = len(words) + 2

    def tokenize(self, texts, length=24):
        ids = np.full((len(texts), length), PAD, dtype=np.int64)
        for i, t in enumerate(texts):
            row = [self.word2id.get(w, 1) for w in t.split()][:length]
            ids[i, :len(row)] = row
        ids = torch.from_numpy(ids)
        return ids, (ids != PAD).long()


TRADES = {
    0: "bakery bread pastry flour oven croissant cake dough baguette",
    1: "garage car engine tyre brake repair mechanic vehicle battery",
    2: "software code server website data application developer cloud network",
    3: "farm wheat cattle tractor field harvest milk grain barn",
    4: "hospital nurse patient clinic surgery doctor care ward therapy",
    5: "building roof brick plumber masonry tile concrete painter floor",
}
FILLERS = "sale of the and for in activity service company local general retail other products with new small".split()


def make_texts(n, rng):
    texts, labels = [], []
    for _ in range(n):
        y = int(rng.integers(len(TRADES)))
        words = list(rng.choice(TRADES[y].split(), 2)) + list(rng.choice(FILLERS, rng.integers(4, 13)))
        if rng.random() < 0.5:
            words += [rng.choice(TRADES[int(rng.integers(len(TRADES)))].split())]
        rng.shuffle(words)
        texts.append(" ".join(words))
        labels.append(y)
    return texts, torch.tensor(labels)


def run(seed):
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    X_train, y_train = make_texts(2000, rng)
    X_test, y_test = make_texts(600, rng)
    tokenizer = Tokenizer(X_train)
    train = list(zip(*tokenizer.tokenize(X_train), y_train))
    model = TextClassificationModel(TextEmbedderConfig(tokenizer.vocab_size, 48, PAD, len(TRADES)))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    for epoch in range(10):
        losses = []
        for ids, mask, y in DataLoader(train, batch_size=32, shuffle=True):
            loss = F.cross_entropy(model(ids, mask), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        with torch.no_grad():
            acc = (model(*tokenizer.tokenize(X_test)).argmax(1) == y_test).float().mean().item()
        print(f"epoch {epoch}: train_loss {np.mean(losses):.4f} val_accuracy {acc:.4f}")
    print("RESULT " + json.dumps({"metric": "test_accuracy", "value": acc}))


if __name__ == "__main__":
    run(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
