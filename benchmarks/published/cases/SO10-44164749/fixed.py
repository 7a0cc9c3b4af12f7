import json
import random
import sys

import numpy as np
import torch
import torch.nn as nn
from sklearn.datasets import make_multilabel_classification
from sklearn.metrics import f1_score
from sklearn.model_selection import train_test_split

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
random.seed(seed)
np.random.seed(seed)
torch.manual_seed(seed)

# bag-of-words counts, 11 tags, a document can have several of them
X, Y = make_multilabel_classification(n_samples=4000, n_features=200, n_classes=11, n_labels=3,
                                      length=300, allow_unlabeled=False, random_state=seed)
X = np.log1p(X).astype(np.float32)
Y = Y.astype(np.float32)
X_train, X_test, y_train, y_test = train_test_split(X, Y, test_size=0.2, random_state=seed)
X_train, X_test = torch.from_numpy(X_train), torch.from_numpy(X_test)
y_train = torch.from_numpy(y_train)

model = nn.Sequential(
    nn.Linear(X_train.shape[1], 256),
    nn.ReLU(),
    nn.Dropout(0.1),
    nn.Linear(256, 128),
    nn.ReLU(),
    nn.Dropout(0.1),
    nn.Linear(128, y_train.shape[1]),
    nn.Sigmoid(),
)


def loss_fn(pred, target):
    return nn.functional.binary_cross_entropy(pred, target)


sgd = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, nesterov=True)

batch_size = 128
for epoch in range(15):
    model.train()
    perm = torch.randperm(len(X_train))
    total = 0.0
    for i in range(0, len(perm), batch_size):
        idx = perm[i:i + batch_size]
        sgd.zero_grad()
        loss = loss_fn(model(X_train[idx]), y_train[idx])
        loss.backward()
        sgd.step()
        total += loss.item() * len(idx)
    if (epoch + 1) % 5 == 0:
        print("epoch %d loss %.4f" % (epoch + 1, total / len(perm)))

model.eval()
with torch.no_grad():
    preds = model(X_test).numpy()
preds = (preds >= 0.5).astype(int)
print("labels per sample: true %.2f predicted %.2f" % (y_test.sum(1).mean(), preds.sum(1).mean()))
print("RESULT " + json.dumps({"micro_f1": float(f1_score(y_test, preds, average="micro"))}))
