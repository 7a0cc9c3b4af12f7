import sys
import json
from collections import Counter
import numpy as np
import torch
import torch.nn as nn
from sklearn.metrics import classification_report

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
np.random.seed(seed)
torch.manual_seed(seed)

VOCAB, LENGTH, CLASSES = 400, 30, 3
topic_words = [np.random.choice(VOCAB, 40, replace=False) for _ in range(CLASSES)]


def documents(n):
    y = np.random.choice(a=[0, 1, 2], size=n, p=[0.3, 0.6, 0.1])
    x = np.random.randint(0, VOCAB, size=(n, LENGTH))
    for i in range(n):
        k = np.random.randint(5, 12)
        x[i, np.random.choice(LENGTH, k, replace=False)] = np.random.choice(topic_words[y[i]], k)
    return torch.tensor(x), y


def compute_class_weights(class_weights, Y):
    """
    Optionally compute class weights based on target distribution
    """
    if class_weights is None:
        return None
    counts = Counter(Y.tolist())
    max_count = max(counts.values())
    computed_weights = {}
    for class_name, count in counts.items():
        ratio = max_count / count
        if class_weights == 'linear':
            computed_weights[class_name] = ratio
        elif class_weights == 'sqrt':
            computed_weights[class_name] = np.sqrt(ratio)
        elif class_weights == 'log':
            computed_weights[class_name] = np.log(ratio) + 1
    return computed_weights


class Classifier(nn.Module):
    def __init__(self, embed=32):
        super().__init__()
        self.embed = nn.Embedding(VOCAB, embed)
        self.conv = nn.Conv1d(embed, 48, 3, padding=1)
        self.dropout = nn.Dropout(0.4)
        self.dense = nn.Linear(48, CLASSES)

    def forward(self, x):
        h = torch.relu(self.conv(self.embed(x).transpose(1, 2)))
        return self.dense(self.dropout(h.mean(2)))


train_x, train_y = documents(6000)
test_x, test_y = documents(1500)

weights = compute_class_weights('log', train_y)
weight_tensor = torch.tensor([weights[c] for c in range(CLASSES)], dtype=torch.float32)

model = Classifier()
loss_fn = nn.CrossEntropyLoss(weight=weight_tensor)
opt = torch.optim.Adam(model.parameters(), lr=2e-3)
targets = torch.tensor(train_y)

for epoch in range(6):
    model.train()
    perm = torch.randperm(len(train_x))
    total = 0.0
    for i in range(0, len(perm), 64):
        idx = perm[i:i + 64]
        loss = loss_fn(model(train_x[idx]), targets[idx])
        opt.zero_grad()
        loss.backward()
        opt.step()
        total += loss.item()
    print("epoch %d loss %.4f" % (epoch, total / (len(perm) / 64)))

model.eval()
with torch.no_grad():
    pred = model(test_x).argmax(1).numpy()
print(classification_report(test_y, pred, zero_division=0))
print("RESULT " + json.dumps({"metric": "test accuracy", "value": float((pred == test_y).mean())}))
