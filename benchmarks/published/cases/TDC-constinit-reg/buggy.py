import json
import sys

import torch
import torch.nn as nn
from mlxtend.data import autompg_data
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler


def dense(n_in, n_out):
    layer = nn.Linear(n_in, n_out)
    nn.init.constant_(layer.weight, 0.01)
    nn.init.zeros_(layer.bias)
    return layer


def build_model():
    return nn.Sequential(dense(9, 64), nn.ReLU(), dense(64, 64), nn.ReLU(), dense(64, 1))


def main(seed):
    torch.manual_seed(seed)
    X, y = autompg_data()
    origin = torch.nn.functional.one_hot(torch.tensor(X[:, 6]).long() - 1, 3).numpy()
    X = StandardScaler().fit_transform(torch.cat([torch.tensor(X[:, :6]), torch.tensor(origin)], 1).numpy())
    X_train, X_test, y_train, y_test = train_test_split(X, y.reshape(-1, 1), test_size=0.2, random_state=seed)
    scaler = StandardScaler().fit(y_train)
    X_train = torch.tensor(X_train, dtype=torch.float32)
    X_test = torch.tensor(X_test, dtype=torch.float32)
    t_train = torch.tensor(scaler.transform(y_train), dtype=torch.float32)

    model = build_model()
    loss_fn = nn.MSELoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.001, weight_decay=1e-5)
    for epoch in range(80):
        permutation = torch.randperm(len(X_train))
        for i in range(0, len(permutation), 32):
            indices = permutation[i:i + 32]
            optimizer.zero_grad()
            loss = loss_fn(model(X_train[indices]), t_train[indices])
            loss.backward()
            optimizer.step()
        if epoch % 10 == 9:
            print("epoch", epoch + 1, "loss", loss.item())

    model.eval()
    with torch.no_grad():
        pred = scaler.inverse_transform(model(X_test).numpy())
    return float(((pred - y_test) ** 2).mean() / y_test.var())


if __name__ == "__main__":
    result = main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
    print("RESULT", json.dumps({"metric": "mse / var(y)", "value": result}))
