import argparse
import json
import random

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

parser = argparse.ArgumentParser(description='supervised text classifier')
parser.add_argument('seed', nargs='?', type=int, default=0)
parser.add_argument('-dim', type=int, default=20)
parser.add_argument('-lr', type=float, default=0.2)
parser.add_argument('-epoch', type=int, default=5)
args = parser.parse_args()

random.seed(args.seed)
np.random.seed(args.seed)
torch.manual_seed(args.seed)

LABELS = ['__label__baking', '__label__bread', '__label__equipment', '__label__sauce',
          '__label__meat', '__label__storage', '__label__eggs', '__label__chocolate']


def write_corpus(per_label, n_topic=60, n_common=300):
    """Lines of the form "__label__x word word ...", one label after the other."""
    lines = []
    for k, label in enumerate(LABELS):
        for _ in range(per_label):
            n = np.random.randint(6, 14)
            words = []
            for _ in range(n):
                u = np.random.rand()
                if u < 0.35:
                    words.append('t%d_%d' % (k, min(int(np.random.exponential(15)), n_topic - 1)))
                elif u < 0.45:
                    j = np.random.randint(len(LABELS))
                    words.append('t%d_%d' % (j, min(int(np.random.exponential(15)), n_topic - 1)))
                else:
                    words.append('w%d' % min(int(np.random.exponential(60)), n_common - 1))
            lines.append(label + ' ' + ' '.join(words))
    return lines


class Dictionary:
    def __init__(self, lines):
        self.word2id, self.labels = {}, []
        for line in lines:
            label, *words = line.split()
            if label not in self.labels:
                self.labels.append(label)
            for w in words:
                self.word2id.setdefault(w, len(self.word2id))

    def get_line(self, line):
        label, *words = line.split()
        ids = [self.word2id[w] for w in words if w in self.word2id]
        return torch.tensor(ids), self.labels.index(label)


class FastText(nn.Module):
    def __init__(self, nwords, nlabels, dim):
        super().__init__()
        self.input = nn.EmbeddingBag(nwords, dim, mode='mean')
        self.output = nn.Linear(dim, nlabels)
        nn.init.uniform_(self.input.weight, -1.0 / dim, 1.0 / dim)

    def forward(self, ids, offsets):
        return self.output(self.input(ids, offsets))


def collate(batch):
    ids = torch.cat([b[0] for b in batch])
    offsets = torch.tensor([0] + [len(b[0]) for b in batch[:-1]]).cumsum(0)
    return ids, offsets, torch.tensor([b[1] for b in batch])


def train(model, examples, lr, epochs, batch=4):
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    total = epochs * ((len(examples) + batch - 1) // batch)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda s: 1.0 - s / total)
    for ep in range(epochs):
        loss_sum = 0.0
        for i in range(0, len(examples), batch):
            ids, offsets, target = collate(examples[i:i + batch])
            loss = F.cross_entropy(model(ids, offsets), target)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            scheduler.step()
            loss_sum += loss.item() * len(target)
        print('Progress: %3d%%  loss: %.4f' % (100 * (ep + 1) // epochs, loss_sum / len(examples)))


def test(model, examples):
    model.eval()
    ids, offsets, target = collate(examples)
    with torch.no_grad():
        return (model(ids, offsets).argmax(1) == target).float().mean().item()


train_lines = write_corpus(300)
valid_lines = write_corpus(80)
dictionary = Dictionary(train_lines)
train_examples = [dictionary.get_line(l) for l in train_lines]
valid_examples = [e for e in (dictionary.get_line(l) for l in valid_lines) if len(e[0])]
print('Number of words: ', len(dictionary.word2id))
print('Number of labels:', len(dictionary.labels))
model = FastText(len(dictionary.word2id), len(dictionary.labels), args.dim)
train(model, train_examples, args.lr, args.epoch)
print('RESULT ' + json.dumps({'P@1': test(model, valid_examples)}))
