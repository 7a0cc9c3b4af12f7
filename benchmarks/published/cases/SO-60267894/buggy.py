import json
import sys

import torch
from mlxtend.data import boston_housing_data
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import normalize
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def load(seed):
    X, y = boston_housing_data()
    X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.25, random_state=seed)
    X_train = normalize(X_train)
    X_test = normalize(X_test)
    to = lambda a: torch.tensor(a, dtype=torch.float32)
    return to(X_train), to(X_test), to(y_train).unsqueeze(1), to(y_test).unsqueeze(1)


def main():
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    torch.manual_seed(seed)
    X_train, X_test, y_train, y_test = load(seed)
    loader = DataLoader(TensorDataset(X_train, y_train), batch_size=10, shuffle=True)
    model = nn.Sequential(
        nn.Linear(X_train.shape[1], 512), nn.ReLU(),
        nn.Linear(512, 128), nn.ReLU(),
        nn.Linear(128, 1), nn.ReLU(),
    )
    loss_fn = nn.MSELoss()
    optimizer = torch.optim.Adam(model.parameters())
    for epoch in range(40):
        total = 0
        for xb, yb in loader:
            pred = model(xb)
            loss = loss_fn(pred, yb)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item()
        if epoch % 5 == 4:
            with torch.no_grad():
                test = loss_fn(model(X_test), y_test).item()
            print(f"Epoch {epoch + 1}: train mse {total / len(loader):.2f}, test mse {test:.2f}")
    print("RESULT", json.dumps({"metric": "mse", "value": test}))


if __name__ == "__main__":
    main()
