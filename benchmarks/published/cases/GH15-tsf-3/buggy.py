import sys
import json
import math
import time
import numpy as np
import torch
import torch.nn as nn
from sklearn.preprocessing import MinMaxScaler

# single step forecast of a time series with a transformer encoder
# S is the source sequence length, N the batch size, E the feature number

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
np.random.seed(seed)
torch.set_num_threads(1)

input_window = 32
output_window = 1
batch_size = 32


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


class TransAm(nn.Module):
    def __init__(self, feature_size=48, num_layers=1, dropout=0.0):
        super().__init__()
        self.input_proj = nn.Linear(1, feature_size)
        self.pos_encoder = PositionalEncoding(feature_size)
        layer = nn.TransformerEncoderLayer(d_model=feature_size, nhead=6, dim_feedforward=96, dropout=dropout)
        self.transformer_encoder = nn.TransformerEncoder(layer, num_layers=num_layers, enable_nested_tensor=False)
        self.decoder = nn.Linear(feature_size, 1)
        self.decoder.bias.data.zero_()
        self.decoder.weight.data.uniform_(-0.1, 0.1)
        self.register_buffer("src_mask", torch.triu(torch.full((input_window, input_window), float("-inf")), 1))

    def forward(self, src):
        src = self.input_proj(src)
        output = self.transformer_encoder(src, self.src_mask)
        return self.decoder(output)


def create_inout_sequences(data, tw):
    src = np.stack([data[i:i + tw] for i in range(len(data) - tw - output_window)])
    tgt = np.stack([data[i + output_window:i + tw + output_window] for i in range(len(data) - tw - output_window)])
    return torch.FloatTensor(src), torch.FloatTensor(tgt)


def get_data():
    t = np.arange(0, 400, 0.1)[:2600]
    phase = np.random.uniform(0, 2 * np.pi, 2)
    amplitude = np.sin(2.5 * t + phase[0]) + 0.8 * np.sin(6.1 * t + phase[1]) + np.random.normal(0, 0.02, len(t))
    amplitude = MinMaxScaler(feature_range=(-1, 1)).fit_transform(amplitude.reshape(-1, 1)).reshape(-1)
    return create_inout_sequences(amplitude[:2000], input_window), create_inout_sequences(amplitude[2000:], input_window)


def get_batch(pair, idx):
    return pair[0][idx].t().unsqueeze(-1), pair[1][idx].t().unsqueeze(-1)      # S, N, 1


def evaluate(eval_model, pair):
    """error of the forecast itself: the last step of the window"""
    eval_model.eval()
    with torch.no_grad():
        data, target = get_batch(pair, torch.arange(len(pair[0])))
        return criterion(eval_model(data)[-1], target[-1]).item()


train_data, val_data = get_data()
model = TransAm()
criterion = nn.MSELoss()
optimizer = torch.optim.AdamW(model.parameters(), lr=0.003)
scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1, gamma=0.93)

for epoch in range(1, 21):
    start = time.time()
    model.train()
    perm = torch.randperm(len(train_data[0]))
    total = 0.0
    for i in range(0, len(perm), batch_size):
        data, target = get_batch(train_data, perm[i:i + batch_size])
        optimizer.zero_grad()
        loss = criterion(model(data), target)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 0.7)
        optimizer.step()
        total += loss.item() * data.size(1)
    val_loss = evaluate(model, val_data)
    print("| end of epoch {:3d} | time: {:5.2f}s | train loss {:5.5f} | valid loss {:5.5f}".format(
        epoch, time.time() - start, total / len(perm), val_loss))
    scheduler.step()

print("RESULT " + json.dumps({"metric": "valid_mse", "value": round(val_loss, 6)}))
