import json
import sys

import numpy as np
import torch
import torch.nn as nn
from torch.utils.data import DataLoader, Dataset

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
np.random.seed(seed)
torch.manual_seed(seed)

NUM_CLASSES, VOCAB, MAX_LEN = 20, 400, 20


def make_corpus(n):
    topic_words = np.random.RandomState(7).randint(2, VOCAB, size=(NUM_CLASSES, 16))
    labels = np.random.randint(0, NUM_CLASSES, size=n)
    ids = np.random.randint(2, VOCAB, size=(n, MAX_LEN))
    for i, c in enumerate(labels):
        k = np.random.randint(8, 13)
        where = np.random.choice(MAX_LEN, k, replace=False)
        ids[i, where] = np.random.choice(topic_words[c], k)
        length = np.random.randint(14, MAX_LEN + 1)
        ids[i, length:] = 0
    return ids, labels


class CNewsDataset(Dataset):
    def __init__(self, ids, labels):
        self.ids, self.labels = ids, labels

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, i):
        ids = np.concatenate([[1], self.ids[i]])
        return torch.tensor(ids), torch.tensor(ids != 0), torch.tensor(self.labels[i])


class BertClassifier(nn.Module):
    def __init__(self, hidden=48):
        super().__init__()
        self.word = nn.Embedding(VOCAB, hidden, padding_idx=0)
        self.position = nn.Embedding(MAX_LEN + 1, hidden)
        self.norm = nn.LayerNorm(hidden)
        layer = nn.TransformerEncoderLayer(hidden, 4, 128, dropout=0.1, batch_first=True, activation="gelu")
        self.bert = nn.TransformerEncoder(layer, 1, enable_nested_tensor=False)
        self.classifier = nn.Linear(hidden, NUM_CLASSES)
        self.softmax = nn.Softmax(dim=1)

    def forward(self, input_ids, attention_mask):
        x = self.word(input_ids) + self.position(torch.arange(input_ids.shape[1]))
        x = self.bert(self.norm(x), src_key_padding_mask=~attention_mask)
        pooled = x[:, 0]
        logits = self.classifier(pooled)
        return self.softmax(logits)


def evaluate(model, loader):
    model.eval()
    hit = total = 0
    with torch.no_grad():
        for input_ids, attention_mask, label in loader:
            output = model(input_ids, attention_mask)
            hit += (output.argmax(1) == label).sum().item()
            total += len(label)
    return hit / total


ids, labels = make_corpus(2600)
train_loader = DataLoader(CNewsDataset(ids[:2100], labels[:2100]), batch_size=32, shuffle=True)
valid_loader = DataLoader(CNewsDataset(ids[2100:], labels[2100:]), batch_size=128)

model = BertClassifier()
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
criterion = nn.CrossEntropyLoss()
for epoch in range(6):
    model.train()
    losses = []
    for input_ids, attention_mask, label in train_loader:
        model.zero_grad()
        output = model(input_ids, attention_mask)
        loss = criterion(output, label)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    print(f"epoch {epoch + 1} loss {np.mean(losses):.4f} valid acc {evaluate(model, valid_loader):.4f}")

print("RESULT", json.dumps({"metric": "accuracy", "value": evaluate(model, valid_loader)}))
