import json
import sys

import torch
import torch.nn as nn
from torch.utils.data import DataLoader, TensorDataset

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)


def memory_data(n, slots=8, keys=8, values=8):
    k = torch.stack([torch.randperm(keys)[:slots] for _ in range(n)])
    v = torch.randint(0, values, (n, slots))
    pick = torch.randint(0, slots, (n,))
    rows = torch.arange(n)
    return k, v, k[rows, pick], v[rows, pick]


class Attention(nn.Module):
    def __init__(self, dimensions):
        super().__init__()
        self.linear_in = nn.Linear(dimensions, dimensions, bias=False)
        self.softmax = nn.Softmax(dim=-1)

    def forward(self, query, context):
        batch_size, output_len, dimensions = query.size()
        query_len = context.size(1)
        query = self.linear_in(query)
        scores = torch.bmm(query, context.transpose(1, 2).contiguous())
        scores = scores.view(batch_size * output_len, query_len)
        weights = self.softmax(scores).view(batch_size, output_len, query_len)
        return torch.bmm(weights, context), weights


class Reader(nn.Module):
    def __init__(self, dim=32):
        super().__init__()
        self.key = nn.Embedding(8, dim)
        self.value = nn.Embedding(8, dim)
        self.attention = Attention(dim)
        self.answer = nn.Sequential(nn.Linear(dim, 64), nn.ReLU(), nn.Linear(64, 8))

    def forward(self, k, v, q):
        context = self.key(k) + self.value(v)
        query = self.key(q).unsqueeze(1)
        out, _ = self.attention(query, context)
        return self.answer(out.squeeze(1))


train = TensorDataset(*memory_data(6000))
test = TensorDataset(*memory_data(500))
train_loader = DataLoader(train, batch_size=64, shuffle=True)
test_loader = DataLoader(test, batch_size=1)

model = Reader()
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
criterion = nn.CrossEntropyLoss()
for epoch in range(6):
    model.train()
    total = 0
    for k, v, q, a in train_loader:
        optimizer.zero_grad()
        loss = criterion(model(k, v, q), a)
        loss.backward()
        optimizer.step()
        total += loss.item()
    print("Epoch %d loss %.4f" % (epoch, total / len(train_loader)))

model.eval()
correct = 0
with torch.no_grad():
    for k, v, q, a in test_loader:
        correct += (model(k, v, q).argmax(1) == a).sum().item()
print("RESULT", json.dumps({"metric": "accuracy", "value": correct / len(test)}))
