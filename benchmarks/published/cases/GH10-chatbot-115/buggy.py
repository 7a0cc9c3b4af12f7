import json
import random
import sys

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import optim

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
random.seed(seed)
np.random.seed(seed)
torch.manual_seed(seed)

SOS, EOS = 0, 1
WORDS = 30
VOCAB = WORDS + 2
MAX_LEN = 6


class EncoderRNN(nn.Module):
    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.embedding = nn.Embedding(input_size, hidden_size)
        self.gru = nn.GRU(hidden_size, hidden_size, batch_first=True)

    def forward(self, x):
        return self.gru(self.embedding(x))


class AttnDecoderRNN(nn.Module):
    def __init__(self, hidden_size, output_size):
        super().__init__()
        self.embedding = nn.Embedding(output_size, hidden_size)
        self.gru = nn.GRU(hidden_size * 2, hidden_size, batch_first=True)
        self.out = nn.Linear(hidden_size * 2, output_size)

    def forward(self, token, hidden, encoder_outputs):
        emb = self.embedding(token).unsqueeze(1)
        query = hidden[-1].unsqueeze(2)
        weights = F.softmax(torch.bmm(encoder_outputs, query).squeeze(2), dim=1)
        context = torch.bmm(weights.unsqueeze(1), encoder_outputs)
        o, hidden = self.gru(torch.cat([emb, context], dim=2), hidden)
        return self.out(torch.cat([o, context], dim=2).squeeze(1)), hidden


# question -> answer pairs: every word has a reply word, the reply comes in reversed order
reply_of = np.random.permutation(WORDS) + 2


def make_pairs(n):
    q = np.random.randint(0, WORDS, size=(n, MAX_LEN))
    a = reply_of[q][:, ::-1].copy()
    a = np.concatenate([a, np.full((n, 1), EOS)], axis=1)
    return torch.from_numpy(q + 2), torch.from_numpy(a)


train_q, train_a = make_pairs(3000)
test_q, test_a = make_pairs(300)

hidden_size = 64
encoder = EncoderRNN(VOCAB, hidden_size)
attn_decoder1 = AttnDecoderRNN(hidden_size, VOCAB)
criterion = nn.CrossEntropyLoss()


def train(input_tensor, target_tensor, encoder, decoder, encoder_optimizer, decoder_optimizer):
    encoder_optimizer.zero_grad()
    decoder_optimizer.zero_grad()
    encoder_outputs, hidden = encoder(input_tensor)
    token = torch.full((len(input_tensor),), SOS, dtype=torch.long)
    loss = 0
    for t in range(target_tensor.size(1)):
        output, hidden = decoder(token, hidden, encoder_outputs)
        loss = loss + criterion(output, target_tensor[:, t])
        token = target_tensor[:, t]
    loss.backward()
    torch.nn.utils.clip_grad_norm_(list(encoder.parameters()) + list(decoder.parameters()), 5.0)
    encoder_optimizer.step()
    decoder_optimizer.step()
    return loss.item() / target_tensor.size(1)


def evaluate(encoder, decoder):
    with torch.no_grad():
        encoder_outputs, hidden = encoder(test_q)
        token = torch.full((len(test_q),), SOS, dtype=torch.long)
        result = []
        for t in range(MAX_LEN + 1):
            output, hidden = decoder(token, hidden, encoder_outputs)
            token = output.argmax(1)
            result.append(token)
    return (torch.stack(result, 1) == test_a).float().mean().item()


encoder_optimizer = optim.Adam(encoder.parameters(), lr=0.003)
decoder_optimizer = optim.Adam(encoder.parameters(), lr=0.003)
batch = 50
for epoch in range(1, 9):
    perm = torch.randperm(len(train_q))
    total = 0
    for i in range(0, len(perm), batch):
        b = perm[i:i + batch]
        total += train(train_q[b], train_a[b], encoder, attn_decoder1, encoder_optimizer, decoder_optimizer)
    print("epoch %d  loss %.4f  test token accuracy %.3f" % (epoch, total * batch / len(perm), evaluate(encoder, attn_decoder1)))

print("RESULT " + json.dumps({"token_accuracy": evaluate(encoder, attn_decoder1)}))
