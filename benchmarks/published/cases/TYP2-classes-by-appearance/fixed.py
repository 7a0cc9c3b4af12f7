import json
import random
import sys

import torch
import torch.nn as nn

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
random.seed(seed)
torch.manual_seed(seed)

SPECIES = ["adelie", "chinstrap", "gentoo", "king", "emperor", "rockhopper"]
centres = {s: torch.randn(6) * 1.2 for s in SPECIES}


def read_rows(n):
    rows = []
    for _ in range(n):
        s = random.choice(SPECIES)
        rows.append((centres[s] + 0.8 * torch.randn(6), s))
    return rows


class PenguinData(torch.utils.data.Dataset):
    def __init__(self, rows):
        self.rows = rows
        self.class_to_idx = {name: i for i, name in enumerate(sorted(SPECIES))}

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, i):
        x, name = self.rows[i]
        return x, self.class_to_idx[name]


train_set = PenguinData(read_rows(900))
test_set = PenguinData(read_rows(300))
train_loader = torch.utils.data.DataLoader(train_set, batch_size=30, shuffle=True)
test_loader = torch.utils.data.DataLoader(test_set, batch_size=300)

model = nn.Sequential(nn.Linear(6, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 6))
optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
loss_fn = nn.CrossEntropyLoss()
for epoch in range(15):
    model.train()
    for x, y in train_loader:
        loss = loss_fn(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        for x, y in test_loader:
            out = model(x)
            test_loss = loss_fn(out, y).item()
            acc = (out.argmax(1) == y).float().mean().item()
    print(f"epoch {epoch} train loss {loss.item():.3f} test loss {test_loss:.3f} test acc {acc:.3f}")
print("RESULT", json.dumps({"metric": "accuracy", "value": acc}))
