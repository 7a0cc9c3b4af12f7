import sys
import json
import numpy as np
import torch
import torch.nn as nn
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
np.random.seed(seed)
torch.manual_seed(seed)

# two classes of digits, enlarged to 16x16
digits = load_digits()
keep = np.isin(digits.target, [3, 5, 8, 9, 2, 6])
images = digits.images[keep].astype('float32') / 16
label = np.isin(digits.target[keep], [3, 5, 9]).astype('float32')
images = images.repeat(2, axis=1).repeat(2, axis=2)
features_dense = images.reshape(len(images), 256)
X_train, X_test, y_train, y_test = train_test_split(features_dense, label, test_size=250, random_state=seed, stratify=label)

reshape = (256, 1)
X_train = torch.from_numpy(X_train).reshape(-1, *reshape)
X_test = torch.from_numpy(X_test).reshape(-1, *reshape)
y_train = torch.from_numpy(y_train).unsqueeze(1)
y_test = torch.from_numpy(y_test).unsqueeze(1)


class Model1(nn.Module):
    def __init__(self, input_dim):
        super().__init__()
        self.lstm = nn.LSTM(input_dim, 32, batch_first=True)
        self.dropout = nn.Dropout(0.2)
        self.dense = nn.Linear(32, 1)

    def forward(self, x):
        out, _ = self.lstm(x)
        return torch.sigmoid(self.dense(self.dropout(out[:, -1])))


model = Model1(reshape[1])
optimizer = torch.optim.Adam(model.parameters(), lr=0.003)
loss_fn = nn.BCELoss()
batch_size = 32
num_epoch = 10

for epoch in range(num_epoch):
    model.train()
    perm = torch.randperm(len(X_train))
    total = 0.0
    for i in range(0, len(perm), batch_size):
        idx = perm[i:i + batch_size]
        optimizer.zero_grad()
        loss = loss_fn(model(X_train[idx]), y_train[idx])
        loss.backward()
        optimizer.step()
        total += loss.item() * len(idx)
    model.eval()
    with torch.no_grad():
        out = model(X_test)
        acc = ((out > 0.5).float() == y_test).float().mean().item()
        val_loss = loss_fn(out, y_test).item()
    print('Epoch %d/%d loss: %.4f val_loss: %.4f val_acc: %.4f' % (epoch + 1, num_epoch, total / len(perm), val_loss, acc))

model.eval()
with torch.no_grad():
    out = model(X_test)
print(torch.cat([out, y_test], 1)[:8])
acc = ((out > 0.5).float() == y_test).float().mean().item()
print('RESULT ' + json.dumps({"metric": "test accuracy", "value": round(acc, 4)}))
