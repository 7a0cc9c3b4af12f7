import sys
import json
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
np.random.seed(seed)
torch.manual_seed(seed)


def load_data(N=420, n_classes=7, n_feat=100):
    """A citation-like graph: papers cite papers of the same class, bag-of-words features."""
    y = np.random.randint(0, n_classes, N)
    p = np.where(y[:, None] == y[None, :], 0.06, 0.004)
    A = np.triu(np.random.rand(N, N) < p, 1)
    A = (A | A.T).astype(np.float32)
    word_p = 0.05 + 0.12 * (np.random.rand(n_classes, n_feat) < 0.15)
    X = (np.random.rand(N, n_feat) < word_p[y]).astype(np.float32)
    X = X / np.maximum(X.sum(1, keepdims=True), 1)
    idx = np.random.permutation(N)
    masks = []
    for part in (idx[:200], idx[200:300], idx[300:]):
        m = np.zeros(N, dtype=np.float32)
        m[part] = 1
        masks.append(torch.from_numpy(m))
    return torch.from_numpy(X), torch.from_numpy(A), torch.from_numpy(y).long(), masks


class GraphAttention(nn.Module):
    def __init__(self, F_in, F_, attn_heads=1, attn_dropout=0.2, concat=True):
        super().__init__()
        self.kernels = nn.ParameterList([nn.Parameter(nn.init.xavier_uniform_(torch.empty(F_in, F_))) for _ in range(attn_heads)])
        self.attn_self = nn.ParameterList([nn.Parameter(nn.init.xavier_uniform_(torch.empty(F_, 1))) for _ in range(attn_heads)])
        self.attn_neigh = nn.ParameterList([nn.Parameter(nn.init.xavier_uniform_(torch.empty(F_, 1))) for _ in range(attn_heads)])
        self.attn_dropout = attn_dropout
        self.concat = concat

    def forward(self, X, A):
        outputs = []
        for W, a_s, a_n in zip(self.kernels, self.attn_self, self.attn_neigh):
            H = X @ W
            dense = F.leaky_relu(H @ a_s + (H @ a_n).T, 0.2)
            dense = dense + (1.0 - A) * -1e9
            att = F.dropout(torch.softmax(dense, dim=1), self.attn_dropout, self.training)
            outputs.append(att @ H)
        return torch.cat(outputs, dim=1) if self.concat else torch.stack(outputs).mean(0)


class GAT(nn.Module):
    def __init__(self, F_in, n_classes, F_=8, n_heads=4, dropout=0.2):
        super().__init__()
        self.dropout = dropout
        self.gat1 = GraphAttention(F_in, F_, n_heads, dropout)
        self.gat2 = GraphAttention(F_ * n_heads, n_classes, 1, dropout, concat=False)

    def forward(self, X, A):
        x = F.dropout(X, self.dropout, self.training)
        x = F.elu(self.gat1(x, A))
        x = F.dropout(x, self.dropout, self.training)
        return self.gat2(x, A)


def masked_loss(logits, y, mask):
    return (F.cross_entropy(logits, y, reduction='none') * mask).sum() / mask.sum()


def masked_acc(logits, y, mask):
    return (((logits.argmax(1) == y).float() * mask).sum() / mask.sum()).item()


X, A, Y, (train_mask, val_mask, test_mask) = load_data()
N = X.shape[0]
A = A + torch.eye(N)
epochs = 100

model = GAT(X.shape[1], 7)
optimizer = torch.optim.Adam(model.parameters(), lr=0.01, weight_decay=5e-4)


def fit(x, a, y, sample_weight, shuffle=True):
    """One epoch; the whole graph is one batch."""
    index_array = torch.arange(N)
    if shuffle:
        index_array = torch.randperm(N)
    model.train()
    optimizer.zero_grad()
    logits = model(x[index_array], a[index_array])
    loss = masked_loss(logits, y[index_array], sample_weight[index_array])
    loss.backward()
    optimizer.step()
    return loss.item(), masked_acc(logits, y[index_array], sample_weight[index_array])


for epoch in range(epochs):
    train_loss, train_acc = fit(X, A, Y, train_mask, shuffle=False)
    if epoch % 5 == 0 or epoch == epochs - 1:
        model.eval()
        with torch.no_grad():
            logits = model(X, A)
            print('Epoch: {:04d} train_loss= {:.4f} train_acc= {:.4f} val_loss= {:.4f} val_acc= {:.4f}'.format(
                epoch, train_loss, train_acc, masked_loss(logits, Y, val_mask).item(), masked_acc(logits, Y, val_mask)))

model.eval()
with torch.no_grad():
    logits = model(X, A)
acc = masked_acc(logits, Y, test_mask)
print('Test set results: loss= {:.4f} accuracy= {:.4f}'.format(masked_loss(logits, Y, test_mask).item(), acc))
print('RESULT ' + json.dumps({"metric": "test accuracy", "value": round(acc, 4)}))
