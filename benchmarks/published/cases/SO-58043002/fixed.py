import json
import sys

import torch
import torch.nn as nn
from sklearn.datasets import make_classification
from torch.utils.data import DataLoader, TensorDataset, random_split

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)


class ConvLSTM(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv1d(7, 64, 3)
        self.conv2 = nn.Conv1d(64, 64, 2)
        self.pool = nn.MaxPool1d(2)
        self.act = nn.ReLU()
        self.lstm = nn.LSTM(64, 8, batch_first=True)
        self.fc = nn.Linear(8, 2)

    def forward(self, x):
        x = self.pool(self.act(self.conv1(x)))
        x = self.act(self.conv2(x))
        _, (h, _) = self.lstm(x.permute(0, 2, 1))
        return self.fc(h[-1])


X, y = make_classification(1200, 70, n_informative=12, class_sep=1.6, random_state=seed)
ds = TensorDataset(torch.tensor(X, dtype=torch.float32).view(-1, 7, 10), torch.tensor(y))
train_ds, test_ds = random_split(ds, [1000, 200], generator=torch.Generator().manual_seed(seed))
train_dl = DataLoader(train_ds, batch_size=32, shuffle=True)
test_dl = DataLoader(test_ds, batch_size=200)

model = ConvLSTM()
crit = nn.CrossEntropyLoss()
opt = torch.optim.Adam(model.parameters(), lr=0.001)
for epoch in range(15):
    for xb, yb in train_dl:
        opt.zero_grad()
        l = crit(model(xb), yb)
        l.backward()
        opt.step()
    with torch.no_grad():
        xb, yb = next(iter(test_dl))
        acc = (model(xb).argmax(1) == yb).float().mean().item()
    print(epoch, "train loss", round(l.item(), 4), "test acc", round(acc, 4))
print("RESULT", json.dumps({"metric": "accuracy", "value": acc}))
