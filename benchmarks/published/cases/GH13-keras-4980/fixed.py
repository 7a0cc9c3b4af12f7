import sys
import json
import random
import numpy as np
import torch
import torch.nn as nn
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
random.seed(seed)
np.random.seed(seed)
torch.manual_seed(seed)

nb_classes = 10
nb_epoch = 8


def euclidean_distance(x, y):
    return torch.sqrt(torch.clamp(((x - y) ** 2).sum(dim=1), min=1e-7))


def contrastive_loss(y_true, y_pred):
    margin = 1
    return torch.mean(y_true * 0.5 * y_pred ** 2 +
                      0.5 * (1 - y_true) * torch.clamp(margin - y_pred, min=0) ** 2)


def create_pairs(x, digit_indices):
    '''Positive and negative pair creation. Alternates between positive and negative pairs.'''
    pairs = []
    labels = []
    n = min([len(digit_indices[d]) for d in range(nb_classes)]) - 1
    for rep in range(3):
        for d in range(nb_classes):
            idx = np.random.permutation(digit_indices[d])
            for i in range(n):
                z1, z2 = idx[i], idx[i + 1]
                pairs += [[x[z1], x[z2]]]
                inc = random.randrange(1, nb_classes)
                dn = (d + inc) % nb_classes
                z1, z2 = idx[i], random.choice(digit_indices[dn])
                pairs += [[x[z1], x[z2]]]
                labels += [1, 0]
    return np.array(pairs, dtype='float32'), np.array(labels, dtype='float32')


class BaseNetwork(nn.Module):
    '''Base network to be shared (eq. to feature extraction).'''

    def __init__(self, input_dim):
        super().__init__()
        self.seq = nn.Sequential(
            nn.Linear(input_dim, 128), nn.ReLU(), nn.Dropout(0.1),
            nn.Linear(128, 128), nn.ReLU(), nn.Dropout(0.1),
            nn.Linear(128, 64))

    def forward(self, x):
        return self.seq(x)


digits = load_digits()
X = digits.data.astype('float32') / 16
X_train, X_test, y_train, y_test = train_test_split(X, digits.target, test_size=450, random_state=seed,
                                                    stratify=digits.target)

digit_indices = [np.where(y_train == i)[0] for i in range(nb_classes)]
tr_pairs, tr_y = create_pairs(X_train, digit_indices)
digit_indices = [np.where(y_test == i)[0] for i in range(nb_classes)]
te_pairs, te_y = create_pairs(X_test, digit_indices)

tr_a, tr_b, tr_y = torch.from_numpy(tr_pairs[:, 0]), torch.from_numpy(tr_pairs[:, 1]), torch.from_numpy(tr_y)
te_a, te_b, te_y = torch.from_numpy(te_pairs[:, 0]), torch.from_numpy(te_pairs[:, 1]), torch.from_numpy(te_y)

base_network = BaseNetwork(64)
optimizer = torch.optim.RMSprop(base_network.parameters(), lr=0.001)

for epoch in range(nb_epoch):
    base_network.train()
    perm = torch.randperm(len(tr_y))
    total = 0.0
    for i in range(0, len(perm), 128):
        idx = perm[i:i + 128]
        optimizer.zero_grad()
        distance = euclidean_distance(base_network(tr_a[idx]), base_network(tr_b[idx]))
        loss = contrastive_loss(tr_y[idx], distance)
        loss.backward()
        optimizer.step()
        total += loss.item() * len(idx)
    base_network.eval()
    with torch.no_grad():
        val = contrastive_loss(te_y, euclidean_distance(base_network(te_a), base_network(te_b))).item()
    print('Epoch %d/%d - loss: %.4f - val_loss: %.4f' % (epoch + 1, nb_epoch, total / len(perm), val))

base_network.eval()
with torch.no_grad():
    d = euclidean_distance(base_network(te_a), base_network(te_b))
acc = ((d < 0.5).float() == te_y).float().mean().item()
print('* Accuracy on test set: %0.2f%%' % (100 * acc))
print('RESULT ' + json.dumps({"metric": "accuracy on test pairs", "value": round(acc, 4)}))
