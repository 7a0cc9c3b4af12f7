"""Bayesian personalised ranking with matrix factorisation; sparse embeddings and SparseAdam."""
import argparse
import json

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.utils.data as data

parser = argparse.ArgumentParser()
parser.add_argument("seed", type=int, nargs="?", default=0)
parser.add_argument("--lr", type=float, default=0.002)
parser.add_argument("--lamda", type=float, default=0.01, help="regularisation")
parser.add_argument("--batch_size", type=int, default=512)
parser.add_argument("--epochs", type=int, default=20)
parser.add_argument("--top_k", type=int, default=10)
parser.add_argument("--factor_num", type=int, default=16)
parser.add_argument("--num_ng", type=int, default=1)
args = parser.parse_args()
torch.manual_seed(args.seed)
rng = np.random.default_rng(args.seed)


def load_all(user_num=800, item_num=400, per_user=42):
    """Users with tastes in six directions; each clicks some items (Gumbel top-k), two of them are kept back."""
    taste, trait = rng.normal(size=(user_num, 6)), rng.normal(size=(item_num, 6))
    score = 2.5 * taste @ trait.T / np.sqrt(6) + 0.7 * rng.normal(size=item_num)
    clicked = np.argsort(-(score + rng.gumbel(size=score.shape)), axis=1)[:, :per_user]
    clicked = rng.permuted(clicked, axis=1)
    return clicked[:, 2:], clicked[:, 0], clicked[:, 1], score, item_num


clicks, val_item, test_item, true_score, item_num = load_all()
user_num = len(clicks)
seen = np.zeros((user_num, item_num), dtype=bool)
np.put_along_axis(seen, clicks, True, axis=1)
known = seen.copy()
known[np.arange(user_num), val_item] = known[np.arange(user_num), test_item] = True


class BPRData(data.Dataset):
    def __init__(self, clicks, num_ng):
        self.users, self.items = np.repeat(np.arange(user_num), clicks.shape[1]), clicks.reshape(-1)
        self.num_ng = num_ng

    def ng_sample(self):
        users, items = np.repeat(self.users, self.num_ng), np.repeat(self.items, self.num_ng)
        negatives = rng.integers(item_num, size=len(users))
        while (bad := seen[users, negatives]).any():
            negatives[bad] = rng.integers(item_num, size=bad.sum())
        self.triples = torch.from_numpy(np.stack([users, items, negatives], 1))

    def __len__(self):
        return self.num_ng * len(self.users)

    def __getitem__(self, idx):
        return self.triples[idx]

    def __getitems__(self, indices):
        return self.triples[indices]


class BPR(nn.Module):
    def __init__(self, user_num, item_num, factor_num):
        super().__init__()
        self.embed_user = nn.Embedding(user_num, factor_num, sparse=True)
        self.embed_item = nn.Embedding(item_num, factor_num, sparse=True)
        self.item_bias = nn.Embedding(item_num, 1, sparse=True)
        nn.init.normal_(self.embed_user.weight, std=0.01)
        nn.init.normal_(self.embed_item.weight, std=0.01)
        nn.init.zeros_(self.item_bias.weight)

    def forward(self, user, item_i, item_j):
        u, i, j = self.embed_user(user), self.embed_item(item_i), self.embed_item(item_j)
        prediction_i = (u * i).sum(-1) + self.item_bias(item_i).squeeze(-1)
        prediction_j = (u * j).sum(-1) + self.item_bias(item_j).squeeze(-1)
        reg = (u.pow(2).sum() + i.pow(2).sum() + j.pow(2).sum()) / len(user)
        return prediction_i, prediction_j, reg

    def scores(self):
        return (self.embed_user.weight @ self.embed_item.weight.T + self.item_bias.weight.T).detach().numpy()


candidates = np.stack([rng.choice(np.flatnonzero(~known[u]), 99, replace=False) for u in range(user_num)])


def metrics(scores, held_out, top_k):
    """Among 99 items the user never saw and the one kept back: is that one in the top k, and how high?"""
    users = np.arange(user_num)
    own = scores[users, held_out][:, None]
    rank = (np.take_along_axis(scores, candidates, axis=1) >= own).sum(1)
    hit = rank < top_k
    return hit.mean(), np.where(hit, 1 / np.log2(rank + 2), 0).mean()


train_dataset = BPRData(clicks, args.num_ng)
train_loader = data.DataLoader(train_dataset, batch_size=args.batch_size, shuffle=True, collate_fn=lambda b: b)
model = BPR(user_num, item_num, args.factor_num)
optimizer = torch.optim.SparseAdam(list(model.parameters()), lr=args.lr)

best_hr, best_weights = 0, None
for epoch in range(args.epochs):
    model.train()
    train_loader.dataset.ng_sample()
    total, n = 0, 0
    for batch in train_loader:
        user, item_i, item_j = batch.T
        optimizer.zero_grad()
        prediction_i, prediction_j, reg = model(user, item_i, item_j)
        loss = -F.logsigmoid(prediction_i - prediction_j).mean() + args.lamda * reg
        loss.backward()
        optimizer.step()
        total, n = total + loss.item(), n + 1
    model.eval()
    HR, NDCG = metrics(model.scores(), val_item, args.top_k)
    print(f"epoch {epoch:03d}  loss {total / n:.4f}  valid HR {HR:.3f} NDCG {NDCG:.3f}")
    if HR > best_hr:
        best_hr, best_weights = HR, {k: v.clone() for k, v in model.state_dict().items()}

model.load_state_dict(best_weights)
HR, NDCG = metrics(model.scores(), test_item, args.top_k)
oracle, _ = metrics(true_score, test_item, args.top_k)
popular, _ = metrics(np.broadcast_to(seen.sum(0), seen.shape) + 1e-6 * rng.random(seen.shape), test_item, args.top_k)
print(f"End. test HR {HR:.3f} NDCG {NDCG:.3f}; true tastes {oracle:.3f}, most popular {popular:.3f}, chance 0.1")
print("RESULT", json.dumps({"metric": "HR@10 / of the true tastes", "value": round(float(HR / oracle), 4),
                            "good": bool(HR >= 0.8 * oracle and HR >= popular + 0.1)}))
