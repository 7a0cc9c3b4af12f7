import json
import random
import sys

import numpy as np
import torch
import torch.nn as nn
from sklearn.datasets import make_classification
from sklearn.metrics import balanced_accuracy_score, confusion_matrix
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from torch.utils.data import DataLoader, TensorDataset


class Classifier:
    def __init__(self, n_features, lr=1e-3):
        self.model = nn.Sequential(
            nn.Linear(n_features, 64), nn.ReLU(),
            nn.Linear(64, 32), nn.ReLU(),
            nn.Linear(32, 2),
        )
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=lr, weight_decay=1e-4)
        self.criterion = nn.BCEWithLogitsLoss(reduction='none')  # weighted loss for imbalanced dataset
        self.weight = torch.tensor([0.84, 0.16])

    def step(self, inputs, labels):
        out = self.model(inputs)
        labels = torch.as_tensor(labels, dtype=torch.float32)
        weight_ = self.weight[labels.view(-1).long()].view_as(labels)
        m = nn.Sigmoid()
        loss = self.criterion(m(out[:, 1] - out[:, 0]), labels)
        loss = (loss * weight_).mean()
        pred_labels = out.argmax(dim=1)
        return pred_labels, loss

    def train_epoch(self, loader):
        self.model.train()
        total = 0.0
        for inputs, labels in loader:
            self.optimizer.zero_grad()
            _, loss = self.step(inputs, labels)
            loss.backward()
            self.optimizer.step()
            total += loss.item()
        return total / len(loader)

    def evaluate(self, loader):
        self.model.eval()
        preds, labels_all = [], []
        with torch.no_grad():
            for inputs, labels in loader:
                p, _ = self.step(inputs, labels)
                preds.append(p)
                labels_all.append(labels)
        return torch.cat(preds).numpy(), torch.cat(labels_all).numpy()


def main():
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)

    X, y = make_classification(n_samples=6000, n_features=30, n_informative=12, n_redundant=4,
                               weights=[0.84, 0.16], class_sep=1.0, flip_y=0.01, random_state=seed)
    X_tr, X_val, y_tr, y_val = train_test_split(X, y, test_size=0.25, stratify=y, random_state=seed)
    scaler = StandardScaler().fit(X_tr)
    X_tr, X_val = scaler.transform(X_tr), scaler.transform(X_val)

    def loader(a, b, shuffle):
        ds = TensorDataset(torch.tensor(a, dtype=torch.float32), torch.tensor(b))
        return DataLoader(ds, batch_size=64, shuffle=shuffle)

    train_loader, val_loader = loader(X_tr, y_tr, True), loader(X_val, y_val, False)
    clf = Classifier(X.shape[1])
    for epoch in range(12):
        loss = clf.train_epoch(train_loader)
        preds, labels = clf.evaluate(val_loader)
        if epoch % 4 == 3:
            print(f'epoch {epoch + 1} loss {loss:.4f} val acc {(preds == labels).mean():.4f} '
                  f'val preds == 1: {preds.mean():.3f}')
    print(confusion_matrix(labels, preds))
    print('RESULT ' + json.dumps({'val_balanced_accuracy': float(balanced_accuracy_score(labels, preds))}))


if __name__ == '__main__':
    main()
