import json
import sys

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import make_regression
from sklearn.preprocessing import StandardScaler
from torch.utils.data import DataLoader, TensorDataset


def build_model():
    return nn.Sequential(
        nn.Linear(8, 32), nn.Sigmoid(), nn.Dropout(0.1),
        nn.Linear(32, 20), nn.Sigmoid(), nn.Dropout(0.1),
        nn.Linear(20, 15), nn.Sigmoid(), nn.Dropout(0.1),
        nn.Linear(15, 4), nn.Softmax(dim=1),
    )


def main():
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    torch.manual_seed(seed)

    X, Y = make_regression(n_samples=700, n_features=8, n_targets=4, random_state=seed)
    X_train, X_test, Y_train, Y_test = X[:500], X[500:], Y[:500], Y[500:]
    sc = StandardScaler()
    X_train = sc.fit_transform(X_train)
    X_test = sc.transform(X_test)

    dataset = TensorDataset(torch.Tensor(X_train), torch.Tensor(Y_train))
    model = build_model()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.87, nesterov=True)

    for epoch in range(10):
        model.train()
        losses = []
        for xb, yb in DataLoader(dataset, batch_size=1, shuffle=True):
            optimizer.zero_grad()
            loss = F.mse_loss(model(xb), yb)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        print("epoch", epoch + 1, "loss", np.mean(losses))

    model.eval()
    with torch.no_grad():
        pred = model(torch.Tensor(X_test)).numpy()
    nmse = (((pred - Y_test) ** 2).mean(axis=0) / Y_test.var(axis=0)).mean()
    print("RESULT " + json.dumps({"metric": "mse / var(y)", "value": round(float(nmse), 6)}))


if __name__ == "__main__":
    main()
