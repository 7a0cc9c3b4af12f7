# Risk of heart disease from a health check: binary classification, 12 % positives.
import json
import sys

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.set_num_threads(1)
seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
np.random.seed(seed)
torch.manual_seed(seed)


def load_patients(n=6000):
    age = np.random.uniform(30, 80, n)
    male = np.random.randint(0, 2, n)
    pressure = np.random.normal(115 + 0.35 * age, 14, n)
    chol = np.random.normal(5.3, 1.0, n)
    smoker = (np.random.rand(n) < 0.28).astype(float)
    bmi = np.random.normal(26.5, 4, n)
    pulse = np.random.normal(72, 9, n)
    z = (-3.9 + 0.05 * (age - 50) + 0.6 * male + 0.030 * (pressure - 130) + 0.5 * (chol - 5.3)
         + 1.1 * smoker * (age > 50) + 0.05 * (bmi - 25) ** 2 / 2)
    risk = 1 / (1 + np.exp(-z))
    ill = (np.random.rand(n) < risk).astype(np.float32)
    return np.column_stack([age, male, pressure, chol, smoker, bmi, pulse]), ill, risk


X, y, risk = load_patients()
X_train, X_test, y_train, y_test, _, r_test = train_test_split(X, y, risk, test_size=0.25, random_state=seed, stratify=y)
X_train, X_val, y_train, y_val = train_test_split(X_train, y_train, test_size=0.2, random_state=seed, stratify=y_train)
print("positives:", y_train.mean().round(3))

scaler = StandardScaler()
X_train = scaler.fit_transform(X_train)
X_val, X_test = scaler.transform(X_val), scaler.transform(X_test)
as_tensor = lambda a: torch.tensor(a, dtype=torch.float32)
loader = DataLoader(TensorDataset(as_tensor(X_train), as_tensor(y_train)), batch_size=64, shuffle=True)


class RiskNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(7, 32)
        self.fc2 = nn.Linear(32, 16)
        self.fc3 = nn.Linear(16, 1)
        self.drop = nn.Dropout(0.1)

    def forward(self, x):
        x = torch.relu(self.fc1(x))
        x = self.drop(x)
        x = torch.relu(self.fc2(x))
        return self.fc3(x).squeeze(1)


model = RiskNet()
criterion = nn.BCEWithLogitsLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, weight_decay=1e-3)

for epoch in range(50):
    model.train()
    losses = []
    for xb, yb in loader:
        optimizer.zero_grad()
        loss = criterion(model(xb), yb)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    model.eval()
    with torch.no_grad():
        logits = model(as_tensor(X_val))
        val_loss = criterion(logits, as_tensor(y_val)).item()
    # accuracy says little here: always answering "healthy" is right in most cases
    print(f"epoch {epoch + 1}: train {np.mean(losses):.4f} val {val_loss:.4f} val AUC {roc_auc_score(y_val, logits.numpy()):.3f}")

model.eval()
with torch.no_grad():
    p = torch.sigmoid(model(as_tensor(X_test))).numpy()
auc, best = roc_auc_score(y_test, p), roc_auc_score(y_test, r_test)
linear = LogisticRegression().fit(X_train, y_train).predict_proba(X_test)[:, 1]
print(f"AUC {auc:.4f}, with the true risks {best:.4f}, logistic regression {roc_auc_score(y_test, linear):.4f}")
print(f"average precision {average_precision_score(y_test, p):.3f}; mean predicted risk {p.mean():.3f}, observed {y_test.mean():.3f}")
print("RESULT " + json.dumps({"metric": "test_auc", "value": round(float(auc), 4),
                              "good": bool(auc > best - 0.03 and auc > roc_auc_score(y_test, linear) and abs(p.mean() - y_test.mean()) < 0.03)}))
