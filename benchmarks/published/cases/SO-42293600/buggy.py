import json
import sys

import torch
import torch.nn as nn
from sklearn.datasets import make_classification
from sklearn.model_selection import train_test_split


class SequenceClassifier(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(1, 20, batch_first=True)
        self.relu = nn.ReLU()
        self.dense = nn.Linear(20, 1)
        self.sigmoid = nn.Sigmoid()
        self.softmax = nn.Softmax(dim=-1)

    def forward(self, x):
        out, _ = self.lstm(x)
        out = self.relu(out[:, -1])
        out = self.sigmoid(self.dense(out))
        return self.softmax(out)


def main():
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    torch.manual_seed(seed)
    X, y = make_classification(1000, 10, n_informative=5, n_clusters_per_class=1, class_sep=1.5, random_state=seed)
    X_train, X_val, y_train, y_val = train_test_split(X, y, test_size=0.3, random_state=seed)
    X_train = torch.tensor(X_train, dtype=torch.float32).unsqueeze(-1)
    X_val = torch.tensor(X_val, dtype=torch.float32).unsqueeze(-1)
    y_train = torch.tensor(y_train, dtype=torch.float32).unsqueeze(-1)
    y_val = torch.tensor(y_val, dtype=torch.float32).unsqueeze(-1)

    model = SequenceClassifier()
    criterion = nn.BCELoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.005)
    for epoch in range(40):
        model.train()
        for i in torch.randperm(len(X_train)).split(100):
            optimizer.zero_grad()
            loss = criterion(model(X_train[i]), y_train[i])
            loss.backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            acc = ((model(X_val) > 0.5).float() == y_val).float().mean().item()
        if epoch % 5 == 4:
            print("epoch %d  loss %.4f  val_acc %.4f" % (epoch + 1, loss.item(), acc))
    print("RESULT", json.dumps({"metric": "accuracy", "value": acc}))


if __name__ == "__main__":
    main()
