import json
import sys

import numpy as np
import torch
import torch.nn as nn
from sklearn.metrics import roc_auc_score

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
rng = np.random.RandomState(seed)

USERS, ITEMS, DIM = 200, 150, 4
taste = rng.normal(size=(USERS, DIM))
kind = rng.normal(size=(ITEMS, DIM))
score = taste @ kind.T + 0.5 * rng.normal(size=(USERS, ITEMS))
liked = (score > 1.5).astype(np.float32)
u, i = np.meshgrid(np.arange(USERS), np.arange(ITEMS), indexing="ij")
rows = np.column_stack([u.ravel(), i.ravel()])
labels = liked.ravel()
order = rng.permutation(len(rows))
cut = int(0.6 * len(order))
train_idx, test_idx = order[:cut], order[cut:]


class NeuMF(nn.Module):
    def __init__(self, user_num, item_num, factors=16):
        super().__init__()
        self.embed_user = nn.Embedding(user_num, factors)
        self.embed_item = nn.Embedding(item_num, factors)
        nn.init.normal_(self.embed_user.weight, std=0.01)
        nn.init.normal_(self.embed_item.weight, std=0.01)
        self.predict_layer = nn.Linear(factors, 1)
        nn.init.kaiming_uniform_(self.predict_layer.weight, a=1, nonlinearity="sigmoid")
        nn.init.zeros_(self.predict_layer.bias)

    def forward(self, user, item):
        pair = self.embed_user(user) * self.embed_item(item)
        return self.predict_layer(pair).sigmoid().view(-1)

    def fit(self, rows, labels, epochs=10, lr=0.005):
        optimizer = torch.optim.Adam(self.parameters(), lr=lr)
        criterion = nn.BCEWithLogitsLoss(reduction="sum")
        rows = torch.tensor(rows)
        labels = torch.tensor(labels)
        for epoch in range(1, epochs + 1):
            self.train()
            perm = torch.randperm(len(rows))
            current = 0.0
            for k in range(0, len(rows), 256):
                sel = perm[k:k + 256]
                self.zero_grad()
                loss = criterion(self(rows[sel, 0], rows[sel, 1]), labels[sel])
                loss.backward()
                optimizer.step()
                current += loss.item()
            print(f"[Epoch {epoch:03d}] loss {current / len(rows):.4f}")

    def predict(self, rows):
        self.eval()
        with torch.no_grad():
            return self(torch.tensor(rows[:, 0]), torch.tensor(rows[:, 1])).numpy()


model = NeuMF(USERS, ITEMS)
model.fit(rows[train_idx], labels[train_idx])
auc = roc_auc_score(labels[test_idx], model.predict(rows[test_idx]))
print("RESULT", json.dumps({"metric": "auc", "value": float(auc)}))
