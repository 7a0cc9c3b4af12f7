"""Multimodal NER: text encoder with a visual prompt, linear layer and CRF on top (HMNeT style, toy posts)."""
import sys
import json
import random
import numpy as np
import torch
from torch import nn, optim

SEED = int(sys.argv[1]) if len(sys.argv) > 1 else 0
random.seed(SEED)
np.random.seed(SEED)
torch.manual_seed(SEED)
torch.set_num_threads(1)

LABELS = ["PAD", "O", "B-PER", "I-PER", "B-LOC", "I-LOC", "B-ORG", "I-ORG"]
VOCAB, MAX_LEN, IMG_DIM = 300, 16, 12


class Args:
    lr = 1e-4
    num_epochs = 8
    batch_size = 16
    warmup_ratio = 0.01
    hidden = 64


def make_posts(n, rng):
    """Names follow a trigger word; the kind of an ambiguous name is told by the image."""
    ids = np.zeros((n, MAX_LEN), np.int64)
    tags = np.zeros((n, MAX_LEN), np.int64)
    img = rng.normal(0, 0.5, size=(n, IMG_DIM)).astype(np.float32)
    for i in range(n):
        L = rng.randint(9, MAX_LEN + 1)
        kind = rng.randint(3)
        img[i, kind * 4:(kind + 1) * 4] += 1.5
        words = list(rng.randint(100, VOCAB, size=L))
        labs = [1] * L
        pos = rng.randint(0, 3)
        while pos < L - 3:
            k = kind if rng.rand() < 0.5 else rng.randint(3)
            first, cont = 10 + k * 30 + rng.randint(15), 25 + k * 30 + rng.randint(15)
            words[pos], labs[pos] = first, 2 + 2 * k
            words[pos + 1], labs[pos + 1] = cont, 3 + 2 * k
            if rng.rand() < 0.4:
                words[pos + 2], labs[pos + 2] = cont, 3 + 2 * k
            pos += rng.randint(4, 7)
        ids[i, :L], tags[i, :L] = words, labs
    return torch.from_numpy(ids), torch.from_numpy(tags), torch.from_numpy(img)


class CRF(nn.Module):
    def __init__(self, num_tags):
        super().__init__()
        self.start_transitions = nn.Parameter(torch.empty(num_tags).uniform_(-0.1, 0.1))
        self.end_transitions = nn.Parameter(torch.empty(num_tags).uniform_(-0.1, 0.1))
        self.transitions = nn.Parameter(torch.empty(num_tags, num_tags).uniform_(-0.1, 0.1))

    def forward(self, emissions, tags, mask):
        return (self._score(emissions, tags, mask) - self._normalizer(emissions, mask)).mean()

    def _score(self, e, tags, mask):
        B, T, _ = e.shape
        ar = torch.arange(B)
        score = self.start_transitions[tags[:, 0]] + e[ar, 0, tags[:, 0]]
        for t in range(1, T):
            step = self.transitions[tags[:, t - 1], tags[:, t]] + e[ar, t, tags[:, t]]
            score = score + step * mask[:, t]
        last = tags[ar, mask.sum(1).long() - 1]
        return score + self.end_transitions[last]

    def _normalizer(self, e, mask):
        alpha = self.start_transitions + e[:, 0]
        for t in range(1, e.size(1)):
            nxt = torch.logsumexp(alpha.unsqueeze(2) + self.transitions + e[:, t].unsqueeze(1), dim=1)
            alpha = torch.where(mask[:, t].unsqueeze(1) > 0, nxt, alpha)
        return torch.logsumexp(alpha + self.end_transitions, dim=1)

    @torch.no_grad()
    def decode(self, e, mask):
        out = []
        for b in range(e.size(0)):
            L = int(mask[b].sum())
            score, back = self.start_transitions + e[b, 0], []
            for t in range(1, L):
                best, idx = (score.unsqueeze(1) + self.transitions).max(0)
                score = best + e[b, t]
                back.append(idx)
            k = int((score + self.end_transitions).argmax())
            path = [k]
            for idx in reversed(back):
                k = int(idx[k])
                path.append(k)
            out.append(path[::-1])
        return out


class TextEncoder(nn.Module):
    def __init__(self, hidden):
        super().__init__()
        self.word_embeddings = nn.Embedding(VOCAB, hidden)
        self.position_embeddings = nn.Embedding(MAX_LEN, hidden)
        layer = nn.TransformerEncoderLayer(hidden, 4, hidden * 2, dropout=0.1, batch_first=True, norm_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)

    def forward(self, ids, prompt, mask):
        x = self.word_embeddings(ids) + 0.1 * self.position_embeddings(torch.arange(ids.size(1)))
        x = torch.cat([prompt.unsqueeze(1), x], 1)
        pad = torch.cat([torch.zeros(len(ids), 1, dtype=torch.bool), mask == 0], 1)
        return self.encoder(x, src_key_padding_mask=pad)[:, 1:]


class HMNeTNERModel(nn.Module):
    def __init__(self, args):
        super().__init__()
        self.bert = TextEncoder(args.hidden)
        self.encoder_conv = nn.Sequential(nn.Linear(IMG_DIM, args.hidden), nn.Tanh(), nn.Linear(args.hidden, args.hidden))
        self.gates = nn.ModuleList([nn.Linear(args.hidden, args.hidden)])
        self.fc = nn.Linear(args.hidden, len(LABELS))
        self.crf = CRF(len(LABELS))
        self.dropout = nn.Dropout(0.1)

    def forward(self, ids, tags, img):
        mask = (ids != 0).float()
        prompt = self.encoder_conv(img)
        prompt = prompt * torch.sigmoid(self.gates[0](prompt))
        seq = self.bert(ids, prompt, mask)
        emissions = self.fc(self.dropout(seq))
        return emissions, -self.crf(emissions, tags, mask), mask


def spans(seq):
    out, start, kind = set(), None, None
    for i, t in enumerate(list(seq) + [1]):
        name = LABELS[t]
        if start is not None and not (name.startswith("I-") and name[2:] == kind):
            out.add((start, i, kind))
            start = None
        if name.startswith("B-"):
            start, kind = i, name[2:]
    return out


class NERTrainer(object):
    def __init__(self, train_data, dev_data, model, args):
        self.train_data, self.dev_data, self.model, self.args = train_data, dev_data, model, args
        self.train_num_steps = len(train_data[0]) // args.batch_size * args.num_epochs
        self.multiModal_before_train()

    def multiModal_before_train(self):
        # bert lr
        parameters = []
        params = {'lr': self.args.lr, 'weight_decay': 1e-2}
        params['params'] = []
        for name, param in self.model.named_parameters():
            if 'bert' in name:
                params['params'].append(param)
        parameters.append(params)

        # prompt lr
        params = {'lr': self.args.lr, 'weight_decay': 1e-2}
        params['params'] = []
        for name, param in self.model.named_parameters():
            if 'encoder_conv' in name or 'gates' in name:
                params['params'].append(param)
        parameters.append(params)

        # crf lr
        params = {'lr': 5e-2, 'weight_decay': 1e-2}
        params['params'] = []
        for name, param in self.model.named_parameters():
            if 'crf' in name or name.startswith('fc'):
                params['params'].append(param)
        parameters.append(params)

        self.optimizer = optim.AdamW(parameters)
        warm = max(1, int(self.args.warmup_ratio * self.train_num_steps))
        self.scheduler = optim.lr_scheduler.LambdaLR(
            self.optimizer,
            lambda s: min(s / warm, 1.0) * max(0.0, (self.train_num_steps - s) / (self.train_num_steps - warm)))

    def train(self):
        ids, tags, img = self.train_data
        for epoch in range(1, self.args.num_epochs + 1):
            self.model.train()
            perm, total = torch.randperm(len(ids)), 0.0
            chunks = perm.split(self.args.batch_size)
            for idx in chunks:
                _, loss, _ = self.model(ids[idx], tags[idx], img[idx])
                loss.backward()
                self.optimizer.step()
                self.scheduler.step()
                self.optimizer.zero_grad()
                total += loss.item()
            print("Epoch {}/{}, loss: {:.4f}, dev f1: {:.4f}".format(
                epoch, self.args.num_epochs, total / len(chunks), self.evaluate()))

    def evaluate(self):
        self.model.eval()
        ids, tags, img = self.dev_data
        with torch.no_grad():
            emissions, _, mask = self.model(ids, tags, img)
        tp = n_pred = n_true = 0
        for path, gold in zip(self.model.crf.decode(emissions, mask), tags):
            p, g = spans(path), spans(gold[:len(path)].tolist())
            tp, n_pred, n_true = tp + len(p & g), n_pred + len(p), n_true + len(g)
        return 2 * tp / max(1, n_pred + n_true)


if __name__ == "__main__":
    rng = np.random.RandomState(SEED + 7)
    args = Args()
    trainer = NERTrainer(make_posts(1200, rng), make_posts(150, rng), HMNeTNERModel(args), args)
    trainer.train()
    print("RESULT " + json.dumps({"metric": "dev_span_f1", "value": round(trainer.evaluate(), 4)}))
