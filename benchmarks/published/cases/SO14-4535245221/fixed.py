import json
import math
import sys

import numpy as np
import torch
import torch.nn as nn

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
np.random.seed(seed)
torch.set_num_threads(1)

N_FREQ = 16
N_TIME = 24


class PositionalEncoding(nn.Module):
    def __init__(self, d_model, max_len=200):
        super(PositionalEncoding, self).__init__()
        pe = torch.zeros(max_len, d_model)
        position = torch.arange(0, max_len, dtype=torch.float).unsqueeze(1)
        div_term = torch.exp(torch.arange(0, d_model, 2).float() * (-math.log(10000.0) / d_model))
        pe[:, 0::2] = torch.sin(position * div_term)
        pe[:, 1::2] = torch.cos(position * div_term)
        self.register_buffer('pe', pe.unsqueeze(1))

    def forward(self, x):
        return x + self.pe[:x.size(0)]


class TransformerReconstruct(nn.Module):
    def __init__(self, n_freq, feature_size=48, num_layers=2, dropout=0.0, nhead=4):
        super(TransformerReconstruct, self).__init__()
        self.model_type = 'Transformer'
        self.input_proj = nn.Linear(n_freq, feature_size)
        self.pos_encoder = PositionalEncoding(feature_size)
        self.encoder_layer = nn.TransformerEncoderLayer(d_model=feature_size, nhead=nhead,
                                                        dim_feedforward=96, dropout=dropout)
        self.transformer_encoder = nn.TransformerEncoder(self.encoder_layer, num_layers=num_layers)
        self.decoder = nn.Linear(feature_size, n_freq)
        self.init_weights()

    def init_weights(self):
        initrange = 0.1
        self.decoder.bias.data.zero_()
        self.decoder.weight.data.uniform_(-initrange, initrange)

    def forward(self, src):
        src = self.pos_encoder(self.input_proj(src))
        output = self.transformer_encoder(src)
        return self.decoder(output)


def make_pairs(n, rng):
    """dry spectrograms and their recordings: the microphone is late by a few frames and smears in frequency"""
    dry = np.zeros((n, N_TIME, N_FREQ), np.float32)
    for k in range(n):
        for _ in range(6):
            t0, f0 = rng.integers(0, N_TIME - 6), rng.uniform(1, N_FREQ - 2)
            dur, slope = rng.integers(2, 6), rng.uniform(-0.6, 0.6)
            for t in range(dur):
                dry[k, t0 + t] += np.exp(-0.5 * ((np.arange(N_FREQ) - f0 - slope * t) / 0.9) ** 2)
    wet = np.zeros_like(dry)
    wet[:, 3:] = dry[:, :-3]
    wet = 0.7 * wet + 0.15 * np.roll(wet, 1, axis=2) + 0.15 * np.roll(wet, -1, axis=2)
    wet += rng.normal(0, 0.02, wet.shape).astype(np.float32)
    # time major: (seq, batch, feature)
    return (torch.tensor(wet, dtype=torch.float32).transpose(0, 1).contiguous(),
            torch.tensor(dry).transpose(0, 1).contiguous())


rng = np.random.default_rng(seed)
src_train, tgt_train = make_pairs(800, rng)
src_val, tgt_val = make_pairs(150, rng)

model = TransformerReconstruct(N_FREQ)
criterion = nn.MSELoss()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)

for epoch in range(16):
    model.train()
    total_loss = 0.
    order = torch.randperm(src_train.size(1))
    for idx in order.split(16):
        data, target = src_train[:, idx], tgt_train[:, idx]
        optimizer.zero_grad()
        output = model(data)
        loss = criterion(output, target)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 0.7)
        optimizer.step()
        total_loss += loss.item() * len(idx)
    model.eval()
    with torch.no_grad():
        val_loss = criterion(model(src_val), tgt_val).item()
    print('| epoch {:3d} | train loss {:5.5f} | valid loss {:5.5f}'.format(epoch + 1, total_loss / len(order), val_loss))

print('RESULT ' + json.dumps({"metric": "val_mse", "value": round(val_loss, 6)}))
