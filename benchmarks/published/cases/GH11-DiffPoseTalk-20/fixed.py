import sys, json, math
import numpy as np
import torch
import torch.nn as nn

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
np.random.seed(seed)
torch.manual_seed(seed)

L, AUDIO_DIM, MOTION_DIM = 40, 8, 4


class PositionalEncoding(nn.Module):
    def __init__(self, d_model, dropout=0.0, max_len=600):
        super().__init__()
        self.dropout = nn.Dropout(p=dropout)
        # vanilla sinusoidal encoding
        pe = torch.zeros(max_len, d_model)
        position = torch.arange(0, max_len, dtype=torch.float).unsqueeze(1)
        div_term = torch.exp(torch.arange(0, d_model, 2).float() * (-math.log(10000.0) / d_model))
        pe[:, 0::2] = torch.sin(position * div_term)
        pe[:, 1::2] = torch.cos(position * div_term)
        pe = pe.unsqueeze(0)
        self.register_buffer('pe', pe)

    def forward(self, x):
        x = x + self.pe[:, :x.shape[1], :]
        return self.dropout(x)


class TalkNet(nn.Module):
    """audio features and a style code in, head motion of the whole clip out"""

    def __init__(self, d_model=64, n_heads=4, n_layers=2, style_dim=3):
        super().__init__()
        self.audio_proj = nn.Linear(AUDIO_DIM, d_model)
        self.style_proj = nn.Linear(style_dim, d_model)
        self.pos = PositionalEncoding(d_model)
        layer = nn.TransformerEncoderLayer(d_model, n_heads, 2 * d_model, dropout=0.0, activation='gelu',
                                           batch_first=True, norm_first=True)
        self.encoder = nn.TransformerEncoder(layer, n_layers, enable_nested_tensor=False)
        self.norm = nn.LayerNorm(d_model)
        self.motion_dec = nn.Linear(d_model, MOTION_DIM)

    def forward(self, audio, style):
        x = self.audio_proj(audio) + self.style_proj(style).unsqueeze(1)
        return self.motion_dec(self.norm(self.encoder(self.pos(x))))


mix = np.random.randn(AUDIO_DIM, MOTION_DIM) / np.sqrt(AUDIO_DIM)
gain = np.random.randn(3, MOTION_DIM) / np.sqrt(3)


def make_clips(n):
    audio = np.random.randn(n, L, AUDIO_DIM)
    style = np.random.randn(n, 3)
    t = np.arange(L) / L
    # the head rises and comes back over the clip, nods along, as the style tells; lips follow the audio
    shape = np.stack([np.sin(np.pi * t) * 2 - 1, np.sin(2 * np.pi * t), np.cos(4 * np.pi * t), t * 2 - 1], 1)
    motion = 0.6 * np.tanh(audio @ mix) + 1.0 * shape[None] * (1 + style @ gain)[:, None, :]
    motion += 0.05 * np.random.randn(*motion.shape)
    return [torch.tensor(a, dtype=torch.float32) for a in (audio, style, motion)]


train, test = make_clips(1000), make_clips(200)
model = TalkNet()
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
epochs, batch_size = 10, 32
scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs, eta_min=1e-5)
criterion = nn.MSELoss()

for epoch in range(epochs):
    model.train()
    perm = torch.randperm(len(train[0]))
    total = 0.0
    for i in range(0, len(perm), batch_size):
        idx = perm[i:i + batch_size]
        audio, style, motion = (a[idx] for a in train)
        loss = criterion(model(audio, style), motion)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimizer.step()
        total += loss.item() * len(idx)
    scheduler.step()
    model.eval()
    with torch.no_grad():
        test_loss = criterion(model(test[0], test[1]), test[2]).item()
    print("epoch %d  train %.4f  test %.4f" % (epoch + 1, total / len(perm), test_loss))

print("RESULT " + json.dumps({"metric": round(test_loss, 5)}))
