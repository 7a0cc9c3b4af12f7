"""Multinomial logistic regression on the 8x8 digits with SGD and momentum, weights by hand.
Modelled after the softmax-regression exercises of introductory courses."""
import json
import sys

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)

digits = load_digits()
X_train, X_test, y_train, y_test = train_test_split(
    digits.data / 16.0, digits.target, test_size=0.25, stratify=digits.target, random_state=seed)
X_train = torch.tensor(X_train, dtype=torch.float32)
X_test = torch.tensor(X_test, dtype=torch.float32)
y_train, y_test = torch.tensor(y_train), torch.tensor(y_test)

W = (0.01 * torch.randn(64, 10)).requires_grad_()
b = torch.zeros(10, requires_grad=True)
optimizer = torch.optim.SGD([{"params": [W], "weight_decay": 1e-4}, {"params": [b]}],
                            lr=0.1, momentum=0.9)
batch_size = 64
n_epochs = 50
scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, n_epochs)

for epoch in range(n_epochs):
    perm = torch.randperm(len(X_train))
    epoch_loss = 0.0
    for i in range(0, len(perm), batch_size):
        idx = perm[i:i + batch_size]
        logits = X_train[idx] @ W + b
        loss = F.cross_entropy(logits, y_train[idx])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        epoch_loss += loss.item() * len(idx)
    scheduler.step()
    if epoch % 10 == 9:
        with torch.no_grad():
            test_loss = F.cross_entropy(X_test @ W + b, y_test).item()
        print(f"epoch {epoch + 1}: train {epoch_loss / len(X_train):.4f}, test {test_loss:.4f}")

with torch.no_grad():
    accuracy = ((X_test @ W + b).argmax(1) == y_test).float().mean().item()
print("RESULT " + json.dumps({"test_accuracy": round(accuracy, 4), "good": accuracy > 0.93}))
