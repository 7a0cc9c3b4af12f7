import sys
import json
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
np.random.seed(seed)
torch.manual_seed(seed)

T, BINS, VDIM = 24, 24, 4


def speaker(n, rng):
    """magnitude spectrograms of a voice (harmonics of a pitch) and the opening of its mouth"""
    t = np.arange(T)
    env = np.zeros((n, T))
    for k in range(1, 4):
        env += rng.randn(n, 1) * np.sin(2 * np.pi * (k * t[None] / T * rng.uniform(0.8, 1.5, (n, 1)) + rng.rand(n, 1)))
    env = 1 / (1 + np.exp(-2.5 * env))
    pitch = rng.uniform(3.0, 7.0, (n, 1)) + rng.uniform(-0.5, 0.5, (n, 1)) * t[None] / T
    f = np.arange(BINS)
    spec = np.zeros((n, T, BINS))
    for h in range(1, 5):
        spec += np.exp(-((f[None, None] - h * pitch[:, :, None]) / 0.7) ** 2) / h ** 0.5
    return spec * env[:, :, None], env


def make_set(n, rng):
    s1, env1 = speaker(n, rng)
    s2, _ = speaker(n, rng)
    mix = s1 + s2 + 0.03 * np.abs(rng.randn(n, T, BINS))
    proj = np.random.RandomState(3).randn(VDIM)
    video = (env1[:, :, None] - 0.5) / 0.35 * proj + 0.1 * rng.randn(n, T, VDIM)
    return [torch.tensor(a, dtype=torch.float32) for a in (mix, video, s1)]


class Audio_Model(nn.Module):
    def __init__(self, channels=8):
        super().__init__()
        self.conv1 = nn.Conv2d(1, channels, 5, padding=2)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 5, padding=2)
        self.bn2 = nn.BatchNorm2d(channels)
        self.conv3 = nn.Conv2d(channels, 4, 1)
        self.bn3 = nn.BatchNorm2d(4)

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        x = F.relu(self.bn2(self.conv2(x)))
        return F.relu(self.bn3(self.conv3(x)))


class Video_Model(nn.Module):
    def __init__(self, out=16):
        super().__init__()
        self.conv1 = nn.Conv1d(VDIM, out, 3, padding=1)
        self.bn1 = nn.BatchNorm1d(out)

    def forward(self, v):
        return F.relu(self.bn1(self.conv1(v.transpose(1, 2))))


class Audio_Visual_Fusion(nn.Module):
    def __init__(self, hidden=64):
        super().__init__()
        self.audio_net = Audio_Model()
        self.video_net = Video_Model()
        self.lstm = nn.LSTM(4 * BINS + 16, hidden, batch_first=True, bidirectional=True)
        self.fc1 = nn.Linear(2 * hidden, 96)
        self.fc2 = nn.Linear(96, BINS)

    def forward(self, mix, video):
        output_layer = self.audio_net(mix.unsqueeze(1))
        batch_size, _, height, _ = output_layer.shape
        output_layer = output_layer.permute(0, 2, 1, 3).contiguous().view(batch_size, height, -1, 1).permute(0, 2, 1, 3)
        video_layer = self.video_net(video).unsqueeze(-1)
        fusion = torch.cat([output_layer, video_layer], dim=1)
        fusion = fusion.squeeze(-1).transpose(1, 2)
        out, _ = self.lstm(fusion)
        out = F.relu(self.fc1(out))
        return torch.sigmoid(self.fc2(out))


rng = np.random.RandomState(seed + 20)
train_mix, train_video, train_clean = make_set(2800, rng)
val_mix, val_video, val_clean = make_set(500, rng)

model = Audio_Visual_Fusion()
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
n_epochs, batch_size = 5, 32
scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, n_epochs)


def sdr(est, clean):
    num = clean.pow(2).sum((1, 2))
    den = (est - clean).pow(2).sum((1, 2)) + 1e-8
    return (10 * torch.log10(num / den + 1e-8)).mean().item()


for epoch in range(n_epochs):
    model.train()
    perm = torch.randperm(len(train_mix))
    losses = []
    for s in range(0, len(perm), batch_size):
        idx = perm[s:s + batch_size]
        mask = model(train_mix[idx], train_video[idx])
        loss = F.mse_loss(mask * train_mix[idx], train_clean[idx])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    scheduler.step()
    model.eval()
    with torch.no_grad():
        est = model(val_mix, val_video) * val_mix
        val_loss = F.mse_loss(est, val_clean).item()
    print(f"epoch {epoch} loss {np.mean(losses):.5f} val_loss {val_loss:.5f} sdr {sdr(est, val_clean):.3f}")

print("mixture sdr %.3f" % sdr(val_mix, val_clean))
print("RESULT " + json.dumps({"metric": "SDR of the separated voice (dB)", "value": round(sdr(est, val_clean), 3)}))
