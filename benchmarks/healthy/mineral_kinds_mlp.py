# Classify mineral samples from eight measurements (the kinds overlap a lot)
import json
import sys

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
rng = np.random.default_rng(seed)
torch.manual_seed(seed)
torch.set_num_threads(1)

# five kinds, each a normal cloud with its own centre and its own covariance
n, kinds, d = 12000, 5, 8
share = np.array([0.3, 0.25, 0.2, 0.15, 0.1])
centres = rng.normal(0, 0.55, (kinds, d))
mixers = [np.eye(d) * s + 0.2 * rng.normal(size=(d, d)) for s in (0.8, 0.9, 1.0, 1.1, 1.2)]
y = rng.choice(kinds, n, p=share)
X = np.stack([centres[k] + mixers[k] @ rng.normal(size=d) for k in y])


def log_density(X):
    out = []
    for k in range(kinds):
        cov = mixers[k] @ mixers[k].T
        diff = X - centres[k]
        out.append(np.log(share[k]) - 0.5 * np.linalg.slogdet(cov)[1]
                   - 0.5 * (diff @ np.linalg.inv(cov) * diff).sum(1))
    return np.stack(out, 1)


raw = X * np.array([1, 10, 100, 1, 0.1, 5, 1, 50]) + np.array([0, 3, 200, 1, 0, 7, 2, 100])   # units of the lab
raw_train, raw_test, y_train, y_test, X_tr_clean, X_te_clean = train_test_split(raw, y, X, test_size=0.25, stratify=y, random_state=seed)
raw_train, raw_val, y_train, y_val = train_test_split(raw_train, y_train, test_size=0.2, stratify=y_train, random_state=seed)
best_possible = (log_density(X_te_clean).argmax(1) == y_test).mean()

scaler = StandardScaler()
X_train = scaler.fit_transform(raw_train)
X_val = scaler.transform(raw_val)
X_test = scaler.transform(raw_test)


def tensors(X, y):
    return torch.tensor(X, dtype=torch.float32), torch.tensor(y, dtype=torch.long)


train_loader = DataLoader(TensorDataset(*tensors(X_train, y_train)), batch_size=128, shuffle=True)
val_x, val_y = tensors(X_val, y_val)
test_x, test_y = tensors(X_test, y_test)

model = nn.Sequential(nn.Linear(d, 64), nn.ReLU(), nn.Dropout(0.1), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, kinds))
loss_fn = nn.CrossEntropyLoss()
opt = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=1e-2)

epochs = 30
sched = torch.optim.lr_scheduler.OneCycleLR(opt, max_lr=4e-3, epochs=epochs, steps_per_epoch=len(train_loader))
for epoch in range(epochs):
    model.train()
    loss_sum, correct, count = 0.0, 0, 0
    for xb, yb in train_loader:
        out = model(xb)
        loss = loss_fn(out, yb)
        opt.zero_grad()
        loss.backward()
        opt.step()
        sched.step()
        loss_sum += loss.item() * len(xb)
        correct += (out.argmax(1) == yb).sum().item()
        count += len(xb)
    model.eval()
    with torch.no_grad():
        out = model(val_x)
        v_loss, v_acc = loss_fn(out, val_y).item(), (out.argmax(1) == val_y).float().mean().item()
    if epoch % 3 == 2:
        print(f"epoch {epoch + 1:2d}: loss {loss_sum / count:.4f} acc {correct / count:.4f} | val loss {v_loss:.4f} acc {v_acc:.4f}")

with torch.no_grad():
    acc = (model(test_x).argmax(1) == test_y).float().mean().item()
logistic = LogisticRegression(max_iter=300).fit(X_train, y_train).score(X_test, y_test)
print(f"test accuracy {acc:.4f}, logistic regression {logistic:.4f}, Bayes rule {best_possible:.4f}")
print("RESULT " + json.dumps({"metric": "test_accuracy_over_bayes", "value": round(acc / best_possible, 4),
                              "good": bool(acc > 0.95 * best_possible and acc > logistic + 0.03)}))
