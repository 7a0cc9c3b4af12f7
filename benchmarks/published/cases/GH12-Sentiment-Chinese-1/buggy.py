import json
import sys

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import optim
from torch.utils.data import DataLoader, TensorDataset

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
np.random.seed(seed)
torch.set_num_threads(1)


class Config:
    max_sen_len = 16
    embedding_dim = 32
    hidden_dim = 32
    n_class = 2
    num_layers = 1
    drop_keep_prob = 0.9
    lr = 2e-3
    batch_size = 64
    n_epoch = 12
    bidirectional = True


# ---- comments made of filler, liking, disliking and negating words ----
PAD, NEG = 0, [1, 2]
GOOD, BAD, FILLER = range(3, 11), range(11, 19), range(19, 60)
vocab_size = 60


def make_comments(n, rng):
    X, y = np.zeros((n, Config.max_sen_len), dtype=np.int64), np.zeros(n, dtype=np.int64)
    i = 0
    while i < n:
        words, score = [], 0
        for _ in range(rng.integers(1, 4)):
            words += list(rng.choice(FILLER, rng.integers(0, 3)))
            good, negated = rng.random() < 0.5, rng.random() < 0.5
            if negated:
                words.append(rng.choice(NEG))
            words.append(rng.choice(GOOD if good else BAD))
            score += 1 if good != negated else -1
            words += list(rng.choice(FILLER, rng.integers(0, 2)))
        words = words[:Config.max_sen_len]
        if score == 0:
            continue
        X[i, :len(words)], y[i] = words, int(score > 0)
        i += 1
    return torch.tensor(X), torch.tensor(y)


class LSTM_attention(nn.Module):
    def __init__(self, vocab_size, embedding_dim, hidden_dim, num_layers, drop_keep_prob, n_class, bidirectional):
        super(LSTM_attention, self).__init__()
        self.hidden_dim = hidden_dim
        self.bidirectional = bidirectional
        self.embedding = nn.Embedding(vocab_size, embedding_dim, padding_idx=PAD)
        self.encoder = nn.LSTM(input_size=embedding_dim, hidden_size=hidden_dim, num_layers=num_layers,
                               bidirectional=bidirectional)
        width = 2 * hidden_dim if bidirectional else hidden_dim
        self.weight_W = nn.Parameter(torch.Tensor(width, width))
        self.weight_proj = nn.Parameter(torch.Tensor(width, 1))
        self.dropout = nn.Dropout(1 - drop_keep_prob)
        self.decoder1 = nn.Linear(width, hidden_dim)
        self.decoder2 = nn.Linear(hidden_dim, n_class)
        nn.init.uniform_(self.weight_W, -0.1, 0.1)
        nn.init.uniform_(self.weight_proj, -0.1, 0.1)

    def forward(self, inputs):
        embeddings = self.embedding(inputs)  # [batch, seq_len, embed_dim]
        states, hidden = self.encoder(embeddings.permute([0, 1, 2]))  # [batch, seq_len, embed_dim]
        # attention
        u = torch.tanh(torch.matmul(states, self.weight_W))
        att = torch.matmul(u, self.weight_proj)
        att = att.masked_fill((inputs == PAD).unsqueeze(-1), float('-inf'))
        att_score = F.softmax(att, dim=1)
        scored_x = states * att_score
        encoding = torch.sum(scored_x, dim=1)
        outputs = self.decoder2(self.dropout(F.relu(self.decoder1(encoding))))
        return outputs


def train(train_dataloader, val_dataloader, model, epochs, lr):
    optimizer = optim.Adam(model.parameters(), lr=lr)
    criterion = nn.CrossEntropyLoss()
    for epoch in range(epochs):
        model.train()
        train_loss, correct, total = 0.0, 0, 0
        for train_data, train_labels in train_dataloader:
            optimizer.zero_grad()
            outputs = model(train_data)
            loss = criterion(outputs, train_labels)
            loss.backward()
            optimizer.step()
            train_loss += loss.item() * len(train_labels)
            correct += (outputs.argmax(1) == train_labels).sum().item()
            total += len(train_labels)
        val_loss, val_acc = evaluate(val_dataloader, model)
        print('epoch %2d loss %.4f train acc %.4f val loss %.4f val acc %.4f' % (
            epoch + 1, train_loss / total, correct / total, val_loss, val_acc))


@torch.no_grad()
def evaluate(dataloader, model):
    model.eval()
    loss, correct, total = 0.0, 0, 0
    for data, labels in dataloader:
        outputs = model(data)
        loss += F.cross_entropy(outputs, labels, reduction='sum').item()
        correct += (outputs.argmax(1) == labels).sum().item()
        total += len(labels)
    return loss / total, correct / total


rng = np.random.default_rng(seed)
train_set, val_set, test_set = (TensorDataset(*make_comments(n, rng)) for n in (6000, 800, 1000))
train_dataloader = DataLoader(train_set, Config.batch_size, shuffle=True)
val_dataloader = DataLoader(val_set, Config.batch_size)
test_dataloader = DataLoader(test_set, Config.batch_size)

model = LSTM_attention(vocab_size, Config.embedding_dim, Config.hidden_dim, Config.num_layers,
                       Config.drop_keep_prob, Config.n_class, Config.bidirectional)
train(train_dataloader, val_dataloader, model, Config.n_epoch, Config.lr)
test_loss, test_acc = evaluate(test_dataloader, model)
print("RESULT " + json.dumps({"metric": "test accuracy", "value": test_acc}))
