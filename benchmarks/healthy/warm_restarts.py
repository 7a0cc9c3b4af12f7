"""A 1-D CNN on MNIST-1D with cosine annealing and warm restarts (SGDR)."""

import json
import sys

import torch
from mnist1d.data import get_dataset_args, make_dataset
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingWarmRestarts
from torch.utils.data import DataLoader, TensorDataset


class ConvNet(nn.Module):
    def __init__(self, width=24, classes=10):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv1d(1, width, 5, stride=2, padding=2),
            nn.GroupNorm(4, width),
            nn.SiLU(),
            nn.Conv1d(width, width, 3, stride=2, padding=1),
            nn.GroupNorm(4, width),
            nn.SiLU(),
            nn.Conv1d(width, width, 3, stride=2, padding=1),
            nn.GroupNorm(4, width),
            nn.SiLU(),
        )
        self.classifier = nn.Linear(width * 5, classes)

    def forward(self, x):
        return self.classifier(self.features(x).flatten(1))


def main(seed):
    torch.manual_seed(seed)
    args = get_dataset_args()
    args.seed = seed
    data = make_dataset(args)
    x, y = torch.tensor(data["x"]).float().unsqueeze(1), torch.tensor(data["y"])
    x_val, y_val = torch.tensor(data["x_test"]).float().unsqueeze(1), torch.tensor(data["y_test"])
    loader = DataLoader(TensorDataset(x, y), batch_size=64, shuffle=True)

    model = ConvNet()
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-3)
    scheduler = CosineAnnealingWarmRestarts(optimizer, T_0=2, T_mult=2)  # restarts after epochs 2 and 6

    for epoch in range(14):
        model.train()
        total = 0.0
        for i, (xb, yb) in enumerate(loader):
            optimizer.zero_grad()
            loss = criterion(model(xb), yb)
            loss.backward()
            optimizer.step()
            scheduler.step(epoch + (i + 1) / len(loader))
            total += loss.item()
        model.eval()
        with torch.no_grad():
            logits = model(x_val)
        val_loss = criterion(logits, y_val).item()
        acc = (logits.argmax(1) == y_val).float().mean().item()
        print(f"epoch {epoch + 1:2d}: loss {total / len(loader):.3f}, val loss {val_loss:.3f}, val acc {acc:.3f}")

    print("RESULT", json.dumps({"metric": "val_acc", "value": round(acc, 4), "good": acc >= 0.85}))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
