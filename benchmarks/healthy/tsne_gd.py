"""t-SNE by gradient descent with autograd: perplexity search, early exaggeration, momentum.
Modelled after van der Maaten & Hinton 2008 and the PyTorch t-SNE blog posts; 8x8 digits."""
import json
import sys

import torch
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.manifold import trustworthiness
from sklearn.neighbors import KNeighborsClassifier

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)


def joint_probabilities(x, perplexity=30.0):
    d2 = torch.cdist(x, x) ** 2
    n = len(x)
    target = torch.log(torch.tensor(perplexity))
    beta, lo, hi = torch.ones(n), torch.zeros(n), torch.full((n,), float("inf"))
    eye = torch.eye(n, dtype=torch.bool)
    for _ in range(50):
        logits = (-d2 * beta[:, None]).masked_fill(eye, -1e9)
        p = logits.softmax(1)
        entropy = -(p * p.clamp_min(1e-12).log()).sum(1)
        too_flat = entropy > target
        lo, hi = torch.where(too_flat, beta, lo), torch.where(too_flat, hi, beta)
        beta = torch.where(torch.isinf(hi), beta * 2, (lo + hi) / 2)
    p = (p + p.T) / (2 * n)
    return p.clamp_min(1e-12)


def kl(p, y):
    num = 1 / (1 + torch.cdist(y, y, compute_mode="donot_use_mm_for_euclid_dist") ** 2)
    num = num * (1 - torch.eye(len(y)))
    q = (num / num.sum()).clamp_min(1e-12)
    return (p * (p.log() - q.log())).sum()


digits = load_digits()
pick = torch.randperm(len(digits.data))[:500].numpy()
data, labels = digits.data[pick] / 16.0, digits.target[pick]
x = torch.tensor(data, dtype=torch.float32)
P = joint_probabilities(x)

init = torch.tensor(PCA(2, random_state=seed).fit_transform(data), dtype=torch.float32)
Y = (init / init[:, 0].std() * 1e-2).clone().requires_grad_()
ITERS, EXAGGERATION = 500, 150
opt = torch.optim.SGD([Y], lr=50.0, momentum=0.5)
for it in range(ITERS):
    early = it < EXAGGERATION
    opt.param_groups[0]["momentum"] = 0.5 if early else 0.8
    p = P * 4 if early else P
    opt.zero_grad()
    loss = kl(p, Y)
    loss.backward()
    opt.step()
    if (it + 1) % 50 == 0:
        with torch.no_grad():
            print(f"iter {it + 1}: KL divergence {kl(P, Y).item():.4f}")

emb = Y.detach().numpy()
trust = float(trustworthiness(data, emb, n_neighbors=10))
knn = KNeighborsClassifier(5).fit(emb[:350], labels[:350]).score(emb[350:], labels[350:])
print(f"5-nn accuracy in the plane {knn:.3f}")
print("RESULT " + json.dumps({"trustworthiness": round(trust, 4), "good": trust > 0.95 and bool(knn > 0.85)}))
