import sys
import json
import numpy as np
import torch
import torch.nn as nn

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
np.random.seed(seed)
torch.manual_seed(seed)

input_length, input_dim, hidden_dims = 60, 4, 64


def make_data(n):
    """4-channel signals; class 1 (35 %) holds a short burst somewhere in two of the channels."""
    X = np.random.randn(n, input_dim, input_length).astype(np.float32)
    Y = (np.random.rand(n) < 0.35).astype(np.float32)
    t = np.arange(12)
    burst = np.sin(2 * np.pi * t / 6) * 1.8
    for i in np.where(Y == 1)[0]:
        s = np.random.randint(0, input_length - 12)
        X[i, 0, s:s + 12] += burst
        X[i, 2, s:s + 12] -= burst
    return torch.from_numpy(X), torch.from_numpy(Y).unsqueeze(1)


X_train, Y_train = make_data(4000)
X_test, Y_test = make_data(1000)

model = nn.Sequential(
    nn.Conv1d(input_dim, 16, 10),
    nn.ReLU(),
    nn.MaxPool1d(2),
    nn.Conv1d(16, 32, 8),
    nn.ReLU(),
    nn.MaxPool1d(2),
    nn.Flatten(),
    nn.Linear(32 * 9, hidden_dims),
    nn.Dropout(0.25),
    nn.ReLU(),
    nn.Linear(hidden_dims, 1),
    nn.Sigmoid(),
)
optimizer = torch.optim.Adagrad(model.parameters(), lr=0.01, eps=1e-06)
loss_fn = nn.BCELoss()
nb_epoch = 8

for epoch in range(nb_epoch):
    model.train()
    perm = torch.randperm(len(X_train))
    total, correct = 0.0, 0
    for i in range(0, len(perm), 128):
        idx = perm[i:i + 128]
        optimizer.zero_grad()
        out = model(X_train[idx])
        loss = loss_fn(out, Y_train[idx])
        loss.backward()
        optimizer.step()
        total += loss.item() * len(idx)
        correct += ((out > 0.5).float() == Y_train[idx]).sum().item()
    model.eval()
    with torch.no_grad():
        out = model(X_test)
        val = loss_fn(out, Y_test).item()
        val_acc = ((out > 0.5).float() == Y_test).float().mean().item()
    print('Epoch %d/%d - loss: %.4f - acc: %.4f - val_loss: %.4f - val_acc: %.4f' % (
        epoch + 1, nb_epoch, total / len(perm), correct / len(perm), val, val_acc))

with torch.no_grad():
    pred = (model(X_test) > 0.5).float()
tpr = (pred[Y_test == 1] == 1).float().mean().item()
tnr = (pred[Y_test == 0] == 0).float().mean().item()
print('RESULT ' + json.dumps({"metric": "balanced accuracy (test)", "value": round((tpr + tnr) / 2, 4)}))
