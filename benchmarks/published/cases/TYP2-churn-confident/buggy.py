import json
import sys

import torch
import torch.nn as nn
from sklearn.datasets import make_classification

EPOCHS = 120
WEIGHT_DECAY = 0.0
DROPOUT = 0.0


class ChurnNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(15, 200)
        self.fc2 = nn.Linear(200, 200)
        self.fc3 = nn.Linear(200, 1)
        self.drop = nn.Dropout(DROPOUT)

    def forward(self, x):
        x = self.drop(torch.relu(self.fc1(x)))
        x = self.drop(torch.relu(self.fc2(x)))
        return self.fc3(x).squeeze(1)


torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
X, y = make_classification(1400, 15, n_informative=5, flip_y=0.3, random_state=int(torch.initial_seed()))
X, y = torch.tensor(X, dtype=torch.float32), torch.tensor(y, dtype=torch.float32)
X_train, y_train, X_val, y_val = X[:400], y[:400], X[400:], y[400:]
model = ChurnNet()
bce = nn.BCEWithLogitsLoss()
opt = torch.optim.Adam(model.parameters(), lr=1e-3, weight_decay=WEIGHT_DECAY)
for epoch in range(EPOCHS):
    model.train()
    for i in torch.randperm(400).split(40):
        opt.zero_grad()
        loss = bce(model(X_train[i]), y_train[i])
        loss.backward()
        opt.step()
    model.eval()
    with torch.no_grad():
        logits = model(X_val)
        val = bce(logits, y_val).item()
    if epoch % 10 == 0 or epoch == EPOCHS - 1:
        sure = torch.sigmoid(logits)
        print(f"epoch {epoch} train {loss.item():.3f} val {val:.3f} mean confidence {torch.maximum(sure, 1 - sure).mean():.3f}")
print("RESULT", json.dumps({"metric": "val_loss", "value": val}))
