import json
import sys

import torch
import torch.nn as nn
from sklearn.datasets import load_digits

BN_MOMENTUM = 0.001


def conv_bn(inp, oup, stride):
    return nn.Sequential(nn.Conv2d(inp, oup, 3, stride, 1, bias=False), nn.BatchNorm2d(oup, momentum=BN_MOMENTUM), nn.SiLU())


class MiniNet(nn.Module):
    def __init__(self, num_classes=10):
        super().__init__()
        self.features = nn.Sequential(conv_bn(1, 12, 1), conv_bn(12, 24, 2), conv_bn(24, 24, 1), conv_bn(24, 32, 2))
        self.classifier = nn.Linear(32, num_classes)

    def forward(self, x):
        return self.classifier(self.features(x).mean([2, 3]))


seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
d = load_digits()
x = torch.tensor(d.images, dtype=torch.float32).unsqueeze(1)
y = torch.tensor(d.target)
perm = torch.randperm(len(x))
tr, va = perm[:1400], perm[1400:]
model = MiniNet()
opt = torch.optim.Adam(model.parameters(), lr=3e-3)
ce = nn.CrossEntropyLoss()
for epoch in range(8):
    model.train()
    for b in tr[torch.randperm(1400)].split(64):
        opt.zero_grad()
        loss = ce(model(x[b]), y[b])
        loss.backward()
        opt.step()
    model.eval()
    with torch.no_grad():
        out = model(x[va])
        val_loss, acc = ce(out, y[va]).item(), (out.argmax(1) == y[va]).float().mean().item()
    print(f"epoch {epoch}: train {loss.item():.4f} val {val_loss:.4f} acc {acc:.4f}")
print("RESULT", json.dumps({"metric": "accuracy", "value": acc}))
