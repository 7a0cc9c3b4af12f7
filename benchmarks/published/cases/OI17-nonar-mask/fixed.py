"""Spectrogram -> spectrogram with a TransformerEncoder (all frames are produced at once)."""
import json
import math
import sys

import numpy as np
import torch
import torch.nn as nn

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
np.random.seed(seed)
torch.manual_seed(seed)
torch.set_num_threads(1)

N_MELS, FRAMES = 20, 32


def make_spectrograms(n, gen):
    """Dry clips, and the same clips as the target chain plays them: pre-echo and a symmetric smear."""
    src = torch.randn(n, FRAMES, N_MELS, generator=gen)
    pad = torch.zeros(n, 3, N_MELS)
    wide = torch.cat([pad, src, pad], dim=1)
    tgt = 0.2 * wide[:, 1:1 + FRAMES] + 0.4 * wide[:, 3:3 + FRAMES] + 0.7 * wide[:, 5:5 + FRAMES]
    return src, tgt


class PositionalEncoding(nn.Module):
    def __init__(self, d_model, max_len=500):
        super().__init__()
        pe = torch.zeros(max_len, d_model)
        position = torch.arange(0, max_len).float().unsqueeze(1)
        div_term = torch.exp(torch.arange(0, d_model, 2).float() * (-math.log(10000.0) / d_model))
        pe[:, 0::2] = torch.sin(position * div_term)
        pe[:, 1::2] = torch.cos(position * div_term)
        self.register_buffer("pe", pe.unsqueeze(1))

    def forward(self, x):
        return x + self.pe[:x.size(0)]


class TransformerReconstruct(nn.Module):
    def __init__(self, n_mels=N_MELS, feature_size=64, num_layers=2, dropout=0.0, nhead=8):
        super().__init__()
        self.src_mask = None
        self.input_proj = nn.Linear(n_mels, feature_size)
        self.pos_encoder = PositionalEncoding(feature_size)
        encoder_layer = nn.TransformerEncoderLayer(feature_size, nhead, 128, dropout, norm_first=True)
        self.transformer_encoder = nn.TransformerEncoder(encoder_layer, num_layers, enable_nested_tensor=False)
        self.decoder = nn.Linear(feature_size, n_mels)

    def _generate_square_subsequent_mask(self, sz):
        mask = (torch.triu(torch.ones(sz, sz)) == 1).transpose(0, 1)
        return mask.float().masked_fill(mask == 0, float("-inf")).masked_fill(mask == 1, 0.0)

    def forward(self, src):
        src = self.pos_encoder(self.input_proj(src))
        output = self.transformer_encoder(src)
        return self.decoder(output)


def run_epoch(model, src, tgt, optimizer=None, batch=32):
    criterion = nn.MSELoss()
    model.train(optimizer is not None)
    total = 0.0
    order = torch.randperm(len(src)) if optimizer else torch.arange(len(src))
    for i in range(0, len(src), batch):
        idx = order[i:i + batch]
        x, y = src[idx].transpose(0, 1), tgt[idx].transpose(0, 1)
        with torch.set_grad_enabled(optimizer is not None):
            loss = criterion(model(x), y)
        if optimizer:
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
        total += loss.item() * len(idx)
    return total / len(src)


gen = torch.Generator().manual_seed(100 + seed)
train_src, train_tgt = make_spectrograms(1024, gen)
val_src, val_tgt = make_spectrograms(256, gen)
model = TransformerReconstruct()
optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
for epoch in range(1, 21):
    train_loss = run_epoch(model, train_src, train_tgt, optimizer)
    if epoch % 4 == 0 or epoch == 1:
        print("epoch %2d | train loss %.4f | valid loss %.4f"
              % (epoch, train_loss, run_epoch(model, val_src, val_tgt)))
val_loss = run_epoch(model, val_src, val_tgt)
print("RESULT " + json.dumps({"metric": "val_mse", "value": round(val_loss, 5)}))
