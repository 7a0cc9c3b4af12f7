import json
import sys

import pandas as pd
import torch
from sklearn.datasets import load_wine
from sklearn.model_selection import train_test_split
from torch import nn

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)

wine = load_wine()
df = pd.DataFrame(wine.data, columns=wine.feature_names)
df["label"] = wine.target
train, test = train_test_split(df, test_size=0.3, random_state=seed, stratify=df["label"])
train_x, test_x = train[wine.feature_names].to_numpy(), test[wine.feature_names].to_numpy()
x = torch.tensor(train_x, dtype=torch.float)
y = torch.tensor(train["label"].to_numpy())
xt = torch.tensor(test_x, dtype=torch.float)
yt = torch.tensor(test["label"].to_numpy())

model = nn.Sequential(nn.Linear(13, 64), nn.Tanh(), nn.Linear(64, 32), nn.Tanh(), nn.Linear(32, 3))
loss_function = nn.CrossEntropyLoss()
optim = torch.optim.Adam(model.parameters(), lr=0.005)

for epoch in range(60):
    for i in range(0, len(x), 31):
        optim.zero_grad()
        out = model(x[i:i + 31])
        loss = loss_function(out, y[i:i + 31])
        loss.backward()
        optim.step()
    if epoch % 10 == 9:
        with torch.no_grad():
            _, predicted = torch.max(model(xt), 1)
            acc = (predicted == yt).sum().item() / len(yt)
        print(f"Epoch [{epoch + 1}/60] loss={loss.item():.4f} test_acc={acc:.4f}")
print("RESULT", json.dumps({"metric": "accuracy", "value": acc}))
