"""A neural n-gram character model (Bengio et al. 2003); the budget ends before the loss is flat."""

import json
import sys
from pydoc_data.topics import topics

import torch
import torch.nn.functional as F
from torch import nn

CONTEXT, STEPS, BATCH = 8, 2500, 64

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
text = "\n".join(topics[name] for name in sorted(topics))[:200_000]
chars = sorted(set(text))
index = {c: i for i, c in enumerate(chars)}
tokens = torch.tensor([index[c] for c in text])
windows = tokens.unfold(0, CONTEXT + 1, 1)
contexts, targets = windows[:, :-1], windows[:, -1]
split = int(0.9 * len(windows))

model = nn.Sequential(
    nn.Embedding(len(chars), 16),
    nn.Flatten(),
    nn.Linear(CONTEXT * 16, 128),
    nn.Tanh(),
    nn.Linear(128, len(chars)),
)
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)


@torch.no_grad()
def val_loss():
    model.eval()
    pick = torch.arange(split + CONTEXT, len(windows), 8)
    loss = F.cross_entropy(model(contexts[pick]), targets[pick]).item()
    model.train()
    return loss


for step in range(1, STEPS + 1):
    pick = torch.randint(split, (BATCH,))
    loss = F.cross_entropy(model(contexts[pick]), targets[pick])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 250 == 0:
        print(f"step {step}: loss {loss.item():.3f}, val loss {val_loss():.3f}")

final = val_loss()
print("RESULT", json.dumps({"metric": "val_loss", "value": round(final, 4), "good": final <= 2.4}))
