import sys
import json
import numpy as np
import torch
import torch.nn as nn
from sklearn.model_selection import train_test_split

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
np.random.seed(seed)
torch.manual_seed(seed)

# binary samples, the class depends on which half holds more ones
C = np.random.randint(0, 2, size=(9000, 20))
balance = C[:, 10:].sum(1) - C[:, :10].sum(1)
C, balance = C[balance != 0], balance[balance != 0]
r = (balance > 0).astype("float32")
C = C.reshape(len(C), 20, 1).astype("float32")

tr_C, ts_C, tr_r, ts_r = train_test_split(C, r, train_size=.8, random_state=seed)
tr_C, ts_C = torch.tensor(tr_C), torch.tensor(ts_C)
tr_r, ts_r = torch.tensor(tr_r)[:, None], torch.tensor(ts_r)[:, None]
batch_size = 100

print('>>> Build model...')


class LSTMClassifier(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(1, 32, batch_first=True)
        self.dense = nn.Linear(32, 1)

    def forward(self, x):
        out, _ = self.lstm(x)
        return torch.softmax(self.dense(out[:, -1]), dim=-1)


def binary_crossentropy(p, y):
    p = p.clamp(1e-7, 1 - 1e-7)
    return -(y * torch.log(p) + (1 - y) * torch.log(1 - p)).mean()


model = LSTMClassifier()
adam = torch.optim.Adam(model.parameters(), lr=0.004)

print('>>> Training...')
for epoch in range(10):
    model.train()
    perm = torch.randperm(len(tr_C))
    losses, hits = [], 0
    for i in range(0, len(perm), batch_size):
        idx = perm[i:i + batch_size]
        p = model(tr_C[idx])
        loss = binary_crossentropy(p, tr_r[idx])
        adam.zero_grad()
        loss.backward()
        adam.step()
        losses.append(loss.item())
        hits += ((p > 0.5).float() == tr_r[idx]).sum().item()
    model.eval()
    with torch.no_grad():
        p = model(ts_C)
        val_loss = binary_crossentropy(p, ts_r).item()
        val_acc = ((p > 0.5).float() == ts_r).float().mean().item()
    print("Epoch %d loss: %.4f acc: %.4f val_loss: %.4f val_acc: %.4f"
          % (epoch + 1, np.mean(losses), hits / len(perm), val_loss, val_acc))

print("RESULT " + json.dumps({"metric": "test accuracy", "value": val_acc}))
