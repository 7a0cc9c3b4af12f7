# %% [markdown]
# # Will the customer leave?  Entity embeddings for categorical columns
# %%
import json
import sys

import numpy as np
import pandas as pd
import torch
import torch.nn as nn
from sklearn.metrics import accuracy_score, roc_auc_score
from sklearn.model_selection import train_test_split
from torch.utils.data import DataLoader, Dataset

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
np.random.seed(seed)
torch.manual_seed(seed)

# %% A churn table like the one on Kaggle
n = 6000
df = pd.DataFrame({
    "Geography": np.random.choice(["France", "Spain", "Germany"], n, p=[0.5, 0.25, 0.25]),
    "Gender": np.random.choice(["Male", "Female"], n),
    "NumOfProducts": np.random.choice([1, 2, 3, 4], n, p=[0.5, 0.4, 0.07, 0.03]),
    "IsActiveMember": np.random.choice([0, 1], n),
    "CreditScore": np.random.normal(650, 95, n).clip(350, 850).round(),
    "Age": np.random.gamma(14, 2.8, n).clip(18, 90).round(),
    "Balance": np.where(np.random.rand(n) < 0.36, 0, np.random.normal(119000, 30000, n).clip(0)),
    "EstimatedSalary": np.random.uniform(100, 200000, n),
})
score = (1.6 * (df.Geography == "Germany") + 0.9 * (df.Gender == "Female") - 1.6 * df.IsActiveMember
         + df.NumOfProducts.map({1: 0.8, 2: -1.6, 3: 2.8, 4: 4.0}) + 0.12 * (df.Age - 39)
         - 0.0018 * (df.Age - 52) ** 2 * (df.Age > 52) + 0.004 * (650 - df.CreditScore) + 0.4 * (df.Balance > 0) - 1.2)
df["Exited"] = (np.random.rand(n) < 1 / (1 + np.exp(-1.5 * score))).astype(int)
print(df.head())
print("share of leavers:", df.Exited.mean().round(3))

categorical = ["Geography", "Gender", "NumOfProducts", "IsActiveMember"]
numerical = ["CreditScore", "Age", "Balance", "EstimatedSalary"]
for c in categorical:
    df[c] = df[c].astype("category")
cat_sizes = [len(df[c].cat.categories) for c in categorical]
emb_sizes = [(size, min(50, (size + 1) // 2)) for size in cat_sizes]
train_df, test_df = train_test_split(df, test_size=0.2, stratify=df.Exited, random_state=seed)
mean, std = train_df[numerical].mean(), train_df[numerical].std()


# %%
class ChurnData(Dataset):
    def __init__(self, frame):
        cats = np.stack([frame[c].cat.codes.values for c in categorical], axis=1)
        self.cats = torch.tensor(cats, dtype=torch.int64)
        self.nums = torch.tensor(((frame[numerical] - mean) / std).values, dtype=torch.float32)
        self.target = torch.tensor(frame["Exited"].values, dtype=torch.float32)

    def __len__(self):
        return len(self.target)

    def __getitem__(self, idx):
        return self.cats[idx], self.nums[idx], self.target[idx]


class Model(nn.Module):
    def __init__(self, embedding_size, num_numerical, hidden=(32, 16), p=0.2):
        super().__init__()
        self.all_embeddings = nn.ModuleList([nn.Embedding(ni, nf) for ni, nf in embedding_size])
        sizes = [sum(nf for _, nf in embedding_size) + num_numerical, *hidden]
        layers = []
        for i, o in zip(sizes[:-1], sizes[1:]):
            layers += [nn.Linear(i, o), nn.ReLU(inplace=True), nn.BatchNorm1d(o), nn.Dropout(p)]
        layers.append(nn.Linear(sizes[-1], 1))
        self.layers = nn.Sequential(*layers)

    def forward(self, x_cat, x_num):
        x = torch.cat([e(x_cat[:, i]) for i, e in enumerate(self.all_embeddings)], 1)
        return self.layers(torch.cat([x, x_num], 1)).squeeze(1)


train_loader = DataLoader(ChurnData(train_df), batch_size=64, shuffle=True)
test_loader = DataLoader(ChurnData(test_df), batch_size=512)
model = Model(emb_sizes, len(numerical))
print(model)
loss_function = nn.BCEWithLogitsLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)

# %%
for epoch in range(12):
    model.train()
    train_loss = 0
    for x_cat, x_num, y in train_loader:
        optimizer.zero_grad()
        loss = loss_function(model(x_cat, x_num), y)
        loss.backward()
        optimizer.step()
        train_loss += loss.item() * len(y)
    model.eval()
    with torch.no_grad():
        parts = [(model(x_cat, x_num), y) for x_cat, x_num, y in test_loader]
    logits, y = torch.cat([p[0] for p in parts]), torch.cat([p[1] for p in parts])
    auc = roc_auc_score(y, logits)
    print(f"epoch {epoch + 1:2d}  train loss {train_loss / len(train_df):.4f}  test loss {loss_function(logits, y):.4f}  auc {auc:.4f}")

print("accuracy", accuracy_score(y, logits > 0))
print("RESULT", json.dumps({"metric": "test auc", "value": round(auc, 4), "good": auc >= 0.88}))
