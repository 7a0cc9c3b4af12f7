"""News topic from TF-IDF features: one hidden layer, dropout, early stopping on the validation loss."""
import copy
import json
import sys

import numpy as np
import torch
import torch.nn as nn
from sklearn.feature_extraction.text import TfidfVectorizer

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
rng = np.random.default_rng(seed)
torch.manual_seed(seed)

# A corpus written by a known process: 6 topics, 600 words with Zipf frequencies, topics tilt the odds of some words.
TOPICS, VOCAB = 6, 600
world = np.random.default_rng(123)
zipf = 1.0 / (np.arange(VOCAB) + 5.0)
tilt = np.exp(1.3 * world.normal(size=(TOPICS, VOCAB)) * (world.random((TOPICS, VOCAB)) < 0.3))
word_prob = zipf * tilt
word_prob /= word_prob.sum(1, keepdims=True)
words = np.array([f"w{i:03d}" for i in range(VOCAB)])


def corpus(n):
    labels = rng.integers(0, TOPICS, n)
    docs, counts = [], np.zeros((n, VOCAB))
    for i, k in enumerate(labels):
        ids = rng.choice(VOCAB, size=rng.integers(15, 40), p=word_prob[k])
        docs.append(" ".join(words[ids]))
        np.add.at(counts[i], ids, 1)
    ceiling = (counts @ np.log(word_prob).T).argmax(1) == labels
    return docs, torch.tensor(labels), ceiling.mean()


train_docs, ytr, _ = corpus(8000)
val_docs, yva, _ = corpus(1500)
test_docs, yte, ceiling = corpus(2000)

vec = TfidfVectorizer(sublinear_tf=True)
to_tensor = lambda m: torch.tensor(m.toarray(), dtype=torch.float32)
xtr = to_tensor(vec.fit_transform(train_docs))
xva, xte = to_tensor(vec.transform(val_docs)), to_tensor(vec.transform(test_docs))
print("example:", train_docs[0][:60], "... topic", int(ytr[0]))

model = nn.Sequential(nn.Linear(xtr.shape[1], 64), nn.ReLU(), nn.Dropout(0.5), nn.Linear(64, TOPICS))
loss_fn = nn.CrossEntropyLoss()
opt = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.05)


def evaluate(x, y):
    model.eval()
    with torch.no_grad():
        out = model(x)
    return loss_fn(out, y).item(), (out.argmax(1) == y).float().mean().item()


best, state, wait, patience = np.inf, None, 0, 2
for epoch in range(1, 41):
    model.train()
    order = torch.randperm(len(xtr))
    total = 0.0
    for i in range(0, len(order), 64):
        b = order[i:i + 64]
        loss = loss_fn(model(xtr[b]), ytr[b])
        opt.zero_grad()
        loss.backward()
        opt.step()
        total += loss.item() * len(b)
    vl, va = evaluate(xva, yva)
    print(f"epoch {epoch:2d}  train {total / len(xtr):.4f}  val {vl:.4f}  val acc {va:.4f}")
    if vl < best - 1e-3:
        best, state, wait = vl, copy.deepcopy(model.state_dict()), 0
    else:
        wait += 1
        if wait >= patience:
            print("stopping early")
            break
model.load_state_dict(state)
_, acc = evaluate(xte, yte)
print(f"test accuracy {acc:.4f}, with the true word probabilities {ceiling:.4f}")
print("RESULT", json.dumps({"test_accuracy": round(acc, 4), "good": bool(acc > ceiling - 0.04)}))
