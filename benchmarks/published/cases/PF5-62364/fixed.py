# CRNN: read strings of symbols from small images
import json
import sys

import numpy as np
import torch
import torch.nn as nn
from torch.utils.data import DataLoader, TensorDataset

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
rng = np.random.default_rng(seed)

SYMBOLS, TEXT, HEIGHT, WIDTH = 6, 3, 8, 34
STROKES = (rng.random((3, HEIGHT, 3)) < 0.5).astype(np.float32)
PAIRS = [(0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1)]
GLYPHS = np.stack([np.concatenate([STROKES[a], np.zeros((HEIGHT, 2)), STROKES[b]], 1) for a, b in PAIRS])


def lines(n):
    images = 0.15 * rng.standard_normal((n, 1, HEIGHT, WIDTH)).astype(np.float32)
    texts = rng.integers(0, SYMBOLS, (n, TEXT))
    for k in range(n):
        at = rng.integers(0, 3)
        for s in texts[k]:
            images[k, 0, :, at:at + 8] += GLYPHS[s]
            at += 8 + rng.integers(2, 4)
    return torch.tensor(images), torch.tensor(texts + 1)


class BidirectionalLSTM(nn.Module):
    def __init__(self, n_in, n_hidden, n_out):
        super().__init__()
        self.rnn = nn.LSTM(n_in, n_hidden, bidirectional=True)
        self.embedding = nn.Linear(2 * n_hidden, n_out)

    def forward(self, x):
        recurrent, _ = self.rnn(x)
        return self.embedding(recurrent)


class CRNN(nn.Module):
    def __init__(self, n_class, n_hidden=48):
        super().__init__()
        self.cnn = nn.Sequential(
            nn.Conv2d(1, 16, (3, 1), padding=(1, 0)), nn.ReLU(True), nn.MaxPool2d(2),
            nn.Conv2d(16, 32, (4, 1)), nn.BatchNorm2d(32), nn.ReLU(True),
        )
        self.rnn = BidirectionalLSTM(32, n_hidden, n_class)

    def forward(self, images):
        conv = self.cnn(images)
        conv = conv.squeeze(2).permute(2, 0, 1)
        return self.rnn(conv).log_softmax(-1)


def read(log_probs):
    best = log_probs.argmax(-1).T
    out = []
    for row in best.tolist():
        out.append([c for i, c in enumerate(row) if c != 0 and (i == 0 or c != row[i - 1])])
    return out


def ctc(criterion, log_probs, texts):
    steps, batch = log_probs.shape[:2]
    return criterion(log_probs, texts, torch.full((batch,), steps), torch.full((batch,), TEXT))


def symbol_accuracy(model, images, texts):
    model.eval()
    with torch.no_grad():
        got = []
        for chunk in images.split(64):
            got += read(model(chunk))
    hits = [sum(a == b for a, b in zip(g, t)) for g, t in zip(got, texts.tolist())]
    return sum(hits) / texts.numel()


train_loader = DataLoader(TensorDataset(*lines(1280)), batch_size=64, shuffle=True)
val_images, val_texts = lines(256)
crnn = CRNN(SYMBOLS + 1)
criterion = nn.CTCLoss()
optimizer = torch.optim.Adam(crnn.parameters(), lr=3e-3)
for epoch in range(12):
    crnn.train()
    total = 0.0
    for images, texts in train_loader:
        loss = ctc(criterion, crnn(images), texts)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item()
    acc = symbol_accuracy(crnn, val_images, val_texts)
    print("[%d/12] loss: %.4f  val symbols right: %.4f" % (epoch + 1, total / len(train_loader), acc))
print("RESULT", json.dumps({"metric": "accuracy", "value": acc}))
