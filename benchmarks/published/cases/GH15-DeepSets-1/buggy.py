"""PopStats: learn a population statistic (entropy of the first marginal) with DeepSets."""
import json
import sys

import numpy as np
import torch
import torch.nn as nn
import torch.optim as optim

torch.set_num_threads(1)


class DeepSet(nn.Module):
    def __init__(self, in_features, set_features=50):
        super(DeepSet, self).__init__()
        self.feature_extractor = nn.Sequential(
            nn.Linear(in_features, 50), nn.ELU(inplace=True),
            nn.Linear(50, 100), nn.ELU(inplace=True),
            nn.Linear(100, set_features))
        self.regressor = nn.Sequential(
            nn.Linear(set_features, 30), nn.ELU(inplace=True),
            nn.Linear(30, 30), nn.ELU(inplace=True),
            nn.Linear(30, 10), nn.ELU(inplace=True),
            nn.Linear(10, 1))

    def forward(self, x):
        x = self.feature_extractor(x)
        x = x.sum(dim=1)
        return self.regressor(x)


def generate(rng, n_sets, n_points):
    """Gaussians with a rotated covariance, one rotation angle per set."""
    cov = np.array([[2.0, 0.6], [0.6, 0.15 + 0.36 / 2.0]])
    alpha = rng.uniform(0, np.pi, n_sets)
    X = np.zeros((n_sets, n_points, 2), dtype=np.float32)
    y = np.zeros(n_sets, dtype=np.float32)
    chol = np.linalg.cholesky(cov)
    for i, a in enumerate(alpha):
        R = np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]])
        pts = rng.standard_normal((n_points, 2)) @ chol.T @ R.T
        X[i] = pts
        y[i] = 0.5 * np.log(2 * np.pi * np.e * (R @ cov @ R.T)[0, 0])
    return X, y


class DataIterator(object):
    def __init__(self, X, y, batch_size, shuffle=False):
        self.X, self.y = X, y
        self.batch_size, self.shuffle = batch_size, shuffle
        self.L, _, self.d = X.shape

    def next_batch(self):
        perm = np.random.permutation(self.L) if self.shuffle else np.arange(self.L)
        for s in range(0, self.L - self.batch_size + 1, self.batch_size):
            idx = perm[s:s + self.batch_size]
            yield self.X[idx], self.y[idx]


class Trainer(object):
    def __init__(self, in_dims, num_epochs):
        self.model = DeepSet(in_dims)
        self.l1 = nn.L1Loss()
        self.l2 = nn.MSELoss()
        self.optim = optim.Adam(self.model.parameters(), lr=0.001)
        self.scheduler = optim.lr_scheduler.ReduceLROnPlateau(self.optim, factor=0.5, patience=50)
        self.num_epochs = num_epochs

    def fit(self, train, valid):
        train_loss, best_mse = 0.0, 1.0e6
        for j in range(self.num_epochs):
            for X, y in train.next_batch():
                self.optim.zero_grad()
                y_pred = self.model(torch.from_numpy(X))
                loss = self.l2(y_pred, torch.from_numpy(y))
                train_loss = 0.9 * train_loss + 0.1 * loss.item()
                loss.backward()
                self.optim.step()
            test_mae, test_mse = self.evaluate(valid)
            best_mse = min(best_mse, test_mse)
            self.scheduler.step(best_mse)
            if (j + 1) % 5 == 0:
                print('After epoch {0} Valid MAE: {1:0.6g} Valid MSE: {2:0.6g} Train Loss: {3:0.6f}'.format(
                    j + 1, test_mae, test_mse, train_loss))

    def evaluate(self, it):
        counts, sum_mae, sum_mse = 0, 0.0, 0.0
        with torch.no_grad():
            for X, y in it.next_batch():
                counts += 1
                y_pred = self.model(torch.from_numpy(X))
                sum_mae += self.l1(y_pred, torch.from_numpy(y)).item()
                sum_mse += self.l2(y_pred, torch.from_numpy(y)).item()
        return sum_mae / counts, sum_mse / counts

    def predict(self, X):
        with torch.no_grad():
            return self.model(torch.from_numpy(X)).numpy().reshape(-1)


if __name__ == '__main__':
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    torch.manual_seed(seed)
    np.random.seed(seed)
    rng = np.random.default_rng(seed)
    n_points = 60
    train = DataIterator(*generate(rng, 2048, n_points), 128, shuffle=True)
    valid = DataIterator(*generate(rng, 512, n_points), 128)
    X_test, y_test = generate(rng, 512, n_points)

    t = Trainer(train.d, 30)
    t.fit(train, valid)
    mse = float(np.mean((t.predict(X_test) - y_test) ** 2))
    print('Test set: MSE {0:0.6g}, variance of the statistic {1:0.6g}'.format(mse, y_test.var()))
    print('RESULT ' + json.dumps({"metric": "test_mse", "value": mse}))
