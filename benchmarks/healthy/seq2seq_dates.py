"""Dates in words to ISO dates: GRU encoder, Bahdanau attention, teacher forcing, two optimisers, as in the PyTorch tutorial."""
import json
import random
import sys
import time

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import optim
from torch.utils.data import DataLoader, TensorDataset

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
random.seed(seed)
torch.manual_seed(seed)

PAD_token, SOS_token, EOS_token = 0, 1, 2
MONTHS = ("january february march april may june july august september october november december").split()
CHARS = "abcdefghijklmnopqrstuvwxyz0123456789 ,./-"
char2index = {c: i + 3 for i, c in enumerate(CHARS)}
index2char = {i: c for c, i in char2index.items()}
N_CHARS, MAX_IN, MAX_OUT, hidden_size, batch_size = len(CHARS) + 3, 20, 11, 64, 96
teacher_forcing_ratio = 0.5


def date_pair():
    d, m, y = random.randint(1, 28), random.randint(1, 12), random.randint(1950, 2029)
    name = MONTHS[m - 1]
    forms = [f"{d} {name} {y}", f"{name} {d}, {y}", f"{d} {name[:3]} {y}", f"{name[:3]} {d}, {y}", f"{d:02d}/{m:02d}/{y}",
             f"{d}.{m}.{y}"]
    return random.choice(forms), f"{y}-{m:02d}-{d:02d}"


def encode(text, length):
    ids = [char2index[c] for c in text] + [EOS_token]
    return ids + [PAD_token] * (length - len(ids))


def get_tensors(pairs):
    return TensorDataset(torch.tensor([encode(a, MAX_IN) for a, _ in pairs]), torch.tensor([encode(b, MAX_OUT) for _, b in pairs]))


class EncoderRNN(nn.Module):
    def __init__(self, input_size, hidden_size, dropout_p=0.1):
        super().__init__()
        self.embedding = nn.Embedding(input_size, hidden_size, padding_idx=PAD_token)
        self.gru = nn.GRU(hidden_size, hidden_size, batch_first=True)
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, input):
        return self.gru(self.dropout(self.embedding(input)))


class BahdanauAttention(nn.Module):
    def __init__(self, hidden_size):
        super().__init__()
        self.Wa = nn.Linear(hidden_size, hidden_size)
        self.Ua = nn.Linear(hidden_size, hidden_size)
        self.Va = nn.Linear(hidden_size, 1)

    def forward(self, query, keys, mask):
        scores = self.Va(torch.tanh(self.Wa(query) + self.Ua(keys))).squeeze(2)
        weights = F.softmax(scores.masked_fill(mask, float("-inf")), dim=-1)
        return torch.bmm(weights.unsqueeze(1), keys), weights


class AttnDecoderRNN(nn.Module):
    def __init__(self, hidden_size, output_size, dropout_p=0.1):
        super().__init__()
        self.embedding = nn.Embedding(output_size, hidden_size)
        self.attention = BahdanauAttention(hidden_size)
        self.gru = nn.GRU(2 * hidden_size, hidden_size, batch_first=True)
        self.out = nn.Linear(hidden_size, output_size)
        self.dropout = nn.Dropout(dropout_p)

    def forward(self, encoder_outputs, encoder_hidden, mask, target_tensor=None):
        decoder_input = torch.full((len(encoder_outputs), 1), SOS_token)
        decoder_hidden, outputs = encoder_hidden, []
        for i in range(MAX_OUT):
            embedded = self.dropout(self.embedding(decoder_input))
            context, _ = self.attention(decoder_hidden.permute(1, 0, 2), encoder_outputs, mask)
            output, decoder_hidden = self.gru(torch.cat((embedded, context), dim=2), decoder_hidden)
            output = self.out(output)
            outputs.append(output)
            if target_tensor is not None:
                decoder_input = target_tensor[:, i].unsqueeze(1)
            else:
                decoder_input = output.argmax(-1).detach()
        return F.log_softmax(torch.cat(outputs, dim=1), dim=-1)


def train_epoch(dataloader, encoder, decoder, encoder_optimizer, decoder_optimizer, criterion):
    encoder.train(), decoder.train()
    total_loss = 0
    for input_tensor, target_tensor in dataloader:
        encoder_optimizer.zero_grad()
        decoder_optimizer.zero_grad()
        encoder_outputs, encoder_hidden = encoder(input_tensor)
        teacher = target_tensor if random.random() < teacher_forcing_ratio else None
        decoder_outputs = decoder(encoder_outputs, encoder_hidden, input_tensor == PAD_token, teacher)
        loss = criterion(decoder_outputs.view(-1, N_CHARS), target_tensor.view(-1))
        loss.backward()
        nn.utils.clip_grad_norm_(encoder.parameters(), 1.0)
        nn.utils.clip_grad_norm_(decoder.parameters(), 1.0)
        encoder_optimizer.step()
        decoder_optimizer.step()
        total_loss += loss.item()
    return total_loss / len(dataloader)


@torch.no_grad()
def evaluate(dataloader, encoder, decoder):
    encoder.eval(), decoder.eval()
    hits = count = 0
    for input_tensor, target_tensor in dataloader:
        encoder_outputs, encoder_hidden = encoder(input_tensor)
        decoded = decoder(encoder_outputs, encoder_hidden, input_tensor == PAD_token).argmax(-1)
        hits += (decoded == target_tensor).all(1).sum().item()
        count += len(decoded)
    return hits / count, decoded[0]


pairs = sorted({date_pair() for _ in range(7000)})
random.shuffle(pairs)
train_set, test_set = get_tensors(pairs[:-600]), get_tensors(pairs[-600:])
train_dataloader = DataLoader(train_set, batch_size=batch_size, shuffle=True)
test_dataloader = DataLoader(test_set, batch_size=200)
print(f"Read {len(pairs)} sentence pairs")

encoder, decoder = EncoderRNN(N_CHARS, hidden_size), AttnDecoderRNN(hidden_size, N_CHARS)
encoder_optimizer = optim.Adam(encoder.parameters(), lr=3e-3)
decoder_optimizer = optim.Adam(decoder.parameters(), lr=3e-3)
criterion = nn.NLLLoss()
n_epochs, start = 6, time.time()
for epoch in range(1, n_epochs + 1):
    loss = train_epoch(train_dataloader, encoder, decoder, encoder_optimizer, decoder_optimizer, criterion)
    exact, sample = evaluate(test_dataloader, encoder, decoder)
    print(f"{time.time() - start:.0f}s ({epoch} {100 * epoch / n_epochs:.0f}%) {loss:.4f}  exact on held-out dates {exact:.3f}  "
          f"e.g. {pairs[-200][0]} -> {''.join(index2char.get(int(i), '') for i in sample)}")
print("RESULT", json.dumps({"metric": "exact match", "value": round(exact, 4), "good": exact >= 0.9}))
