"""Evaluate a neural-network regressor on a Friedman data set (train / test split, R2 score)."""
import json
import sys

import numpy as np
import torch
from sklearn.datasets import make_friedman1
from sklearn.metrics import mean_squared_error, r2_score
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler


class MLPEstimator:
    """100-100 ReLU network with the fit / predict interface of the other benchmark methods"""

    def __init__(self, hidden=(100, 100), lr=1e-3, batch_size=64, epochs=60, seed=0):
        self.hidden, self.lr, self.batch_size, self.epochs, self.seed = hidden, lr, batch_size, epochs, seed

    def _build(self, n_features):
        sizes = (n_features,) + tuple(self.hidden)
        mods = []
        for a, b in zip(sizes[:-1], sizes[1:]):
            mods += [torch.nn.Linear(a, b), torch.nn.ReLU()]
        return torch.nn.Sequential(*mods, torch.nn.Linear(sizes[-1], 1))

    def fit(self, X, y):
        torch.manual_seed(self.seed)
        self.net = self._build(X.shape[1])
        opt = torch.optim.Adam(self.net.parameters(), lr=self.lr)
        X = torch.tensor(X, dtype=torch.float32)
        y = torch.tensor(y, dtype=torch.float32)
        for epoch in range(self.epochs):
            total = 0.0
            for idx in torch.randperm(len(X)).split(self.batch_size):
                loss = torch.nn.functional.mse_loss(self.net(X[idx]).squeeze(1), y[idx])
                opt.zero_grad()
                loss.backward()
                opt.step()
                total += loss.item() * len(idx)
            if (epoch + 1) % 10 == 0:
                print('epoch %d training mse %.4f' % (epoch + 1, total / len(X)))
        return self

    def predict(self, X):
        with torch.no_grad():
            return self.net(torch.tensor(X, dtype=torch.float32)).squeeze(1).numpy()


def evaluate_model(random_state, est, target_noise=0.3, scale_x=True, scale_y=True):
    features, labels = make_friedman1(n_samples=4000, n_features=10, noise=target_noise, random_state=random_state)
    X_train, X_test, y_train, y_test = train_test_split(features, labels, train_size=0.75, test_size=0.25,
                                                        random_state=random_state)
    if scale_x:
        print('scaling X')
        sc_X = StandardScaler()
        X_train = sc_X.fit_transform(X_train)
        X_test = sc_X.transform(X_test)
    if scale_y:
        print('scaling y')
        sc_y = StandardScaler()
        y_train = sc_y.fit_transform(y_train.reshape(-1, 1)).flatten()

    est.fit(X_train, y_train)

    y_pred = est.predict(X_test)
    if scale_y:
        y_pred = sc_y.inverse_transform(y_pred.reshape(-1, 1)).flatten()
    return {'r2_test': r2_score(y_test, y_pred), 'mse_test': mean_squared_error(y_test, y_pred)}


if __name__ == '__main__':
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    torch.set_num_threads(1)
    np.random.seed(seed)
    results = evaluate_model(seed, MLPEstimator(seed=seed))
    print(results)
    print('RESULT ' + json.dumps({"metric": "test mse", "value": round(float(results['mse_test']), 4)}))
