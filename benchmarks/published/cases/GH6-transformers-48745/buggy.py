import argparse
import json
import random

import torch
import torch.nn as nn
from torch.utils.data import DataLoader, Dataset

NOUNS = {"dog": "dogs", "cat": "cats", "boy": "boys", "girl": "girls", "teacher": "teachers", "farmer": "farmers", "bird": "birds", "king": "kings"}
VERBS = {"sees": "see", "likes": "like", "follows": "follow", "helps": "help", "finds": "find", "knows": "know"}
ADJ = {"old": "slowly", "young": "quickly", "happy": "gladly", "angry": "loudly", "quiet": "softly", "wise": "calmly"}


def sentence(rng):
    sing, plur = rng.choice(list(NOUNS.items()))
    v_s, v_p = rng.choice(list(VERBS.items()))
    adj = rng.choice(list(ADJ))
    plural = rng.random() < 0.5
    det = rng.choice(["the", "those"]) if plural else rng.choice(["the", "that"])
    obj = rng.choice(list(NOUNS))
    words = ["<s>", det, adj, plur if plural else sing]
    if rng.random() < 0.5:
        words += ["near", "the", rng.choice(list(NOUNS))]
    words += [v_p if plural else v_s, "a", obj, ADJ[adj], "and", "then", "they" if plural else "it", "sleep" if plural else "sleeps", "."]
    return words


class Sentences(Dataset):
    def __init__(self, n, vocab, rng, length=17):
        self.rows = []
        for _ in range(n):
            ids = [vocab[w] for w in sentence(rng)]
            self.rows.append(torch.tensor(ids + [0] * (length - len(ids))))

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, i):
        return self.rows[i]


class Config:
    def __init__(self, vocab_size, is_decoder=True):
        self.vocab_size = vocab_size
        self.hidden_size = 48
        self.num_heads = 4
        self.num_layers = 2
        self.max_len = 32
        self.is_decoder = is_decoder


class ForCausalLM(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.config = config
        self.tok = nn.Embedding(config.vocab_size, config.hidden_size, padding_idx=0)
        self.pos = nn.Embedding(config.max_len, config.hidden_size)
        layer = nn.TransformerEncoderLayer(config.hidden_size, config.num_heads, 4 * config.hidden_size, dropout=0.0, batch_first=True, norm_first=True, activation="gelu")
        self.encoder = nn.TransformerEncoder(layer, config.num_layers, enable_nested_tensor=False)
        self.ln = nn.LayerNorm(config.hidden_size)
        self.head = nn.Linear(config.hidden_size, config.vocab_size)
        self.loss_fct = nn.CrossEntropyLoss(ignore_index=-100)

    def forward(self, input_ids, labels=None):
        t = input_ids.shape[1]
        h = self.tok(input_ids) + self.pos(torch.arange(t))
        mask = input_ids.eq(0)
        h = self.encoder(h, src_key_padding_mask=mask)
        logits = self.head(self.ln(h))
        loss = None
        if labels is not None:
            loss = self.loss_fct(logits[:, :-1].reshape(-1, self.config.vocab_size), labels[:, 1:].reshape(-1))
        return loss, logits


@torch.no_grad()
def continuation_loss(model, dataset):
    model.eval()
    rows = torch.stack([dataset[i] for i in range(200)])
    nll = total = 0
    for t in range(3, rows.shape[1]):
        _, logits = model(rows[:, :t])
        real = rows[:, t] != 0
        nll += nn.functional.cross_entropy(logits[real, -1], rows[real, t], reduction="sum").item()
        total += real.sum().item()
    model.train()
    return nll / total


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("seed", nargs="?", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--batch_size", type=int, default=32)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    rng = random.Random(args.seed)

    words = sorted({w for _ in range(4000) for w in sentence(rng)})
    vocab = {w: i + 1 for i, w in enumerate(words)}
    train_set, test_set = Sentences(1600, vocab, rng), Sentences(400, vocab, rng)
    loader = DataLoader(train_set, batch_size=args.batch_size, shuffle=True)

    model = ForCausalLM(Config(len(vocab) + 1))
    optimizer = torch.optim.AdamW(model.parameters(), lr=args.lr)
    model.train()
    for epoch in range(args.epochs):
        for step, input_ids in enumerate(loader):
            labels = input_ids.masked_fill(input_ids == 0, -100)
            loss, _ = model(input_ids, labels=labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            if step % 40 == 0:
                print(f"epoch {epoch} step {step} loss {loss.item():.4f}")
    print("RESULT", json.dumps({"metric": "continuation loss", "value": continuation_loss(model, test_set)}))


if __name__ == "__main__":
    main()
