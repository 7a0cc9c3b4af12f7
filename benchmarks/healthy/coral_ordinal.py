"""Ordinal regression with the CORAL layer: wine-like grades 0..5, shared weights, one threshold per rank."""
import json
import sys

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from torch.utils.data import DataLoader, Dataset

RANDOM_SEED = int(sys.argv[1]) if len(sys.argv) > 1 else 0
NUM_CLASSES, NUM_EPOCHS, BATCH_SIZE, LEARNING_RATE = 6, 20, 64, 2e-3
np.random.seed(RANDOM_SEED)
torch.manual_seed(RANDOM_SEED)


def make_grades(n):
    x = np.random.standard_normal((n, 11))
    quality = (1.2 * x[:, 0] - 0.8 * x[:, 1] + 0.9 * np.sin(2 * x[:, 2]) + 0.6 * x[:, 3] * x[:, 4]
               - 0.5 * np.abs(x[:, 5]) + 0.3 * x[:, 6])
    cuts = np.array([-2.6, -1.4, -0.4, 0.7, 2.0])
    grade = np.digitize(quality + np.random.logistic(0, 0.25, n), cuts)
    scale = np.array([1, 5, 0.1, 20, 3, 1, 40, 0.01, 2, 0.5, 1])
    return (x * scale + 3 * scale).astype("float32"), grade, np.digitize(quality, cuts)


class MyDataset(Dataset):
    def __init__(self, feature_array, label_array):
        self.features, self.labels = feature_array, label_array

    def __getitem__(self, index):
        return self.features[index], self.labels[index]

    def __len__(self):
        return self.labels.shape[0]


class CoralLayer(torch.nn.Module):
    def __init__(self, size_in, num_classes):
        super().__init__()
        self.coral_weights = torch.nn.Linear(size_in, 1, bias=False)
        self.coral_bias = torch.nn.Parameter(torch.arange(num_classes - 1, 0, -1).float() / (num_classes - 1))

    def forward(self, x):
        return self.coral_weights(x) + self.coral_bias


def levels_from_labelbatch(labels, num_classes):
    return (labels.unsqueeze(1) > torch.arange(num_classes - 1)).float()


def coral_loss(logits, levels):
    return (-torch.sum(F.logsigmoid(logits) * levels + (F.logsigmoid(logits) - logits) * (1 - levels), dim=1)).mean()


def proba_to_label(probas):
    return torch.sum(probas > 0.5, dim=1)


class MLP(torch.nn.Module):
    def __init__(self, in_features, num_classes, num_hidden_1=100, num_hidden_2=50):
        super().__init__()
        self.my_network = torch.nn.Sequential(
            torch.nn.Linear(in_features, num_hidden_1), torch.nn.LeakyReLU(), torch.nn.Dropout(0.1),
            torch.nn.Linear(num_hidden_1, num_hidden_2), torch.nn.LeakyReLU())
        self.fc = CoralLayer(size_in=num_hidden_2, num_classes=num_classes)

    def forward(self, x):
        logits = self.fc(self.my_network(x))
        return logits, torch.sigmoid(logits)


@torch.no_grad()
def compute_mae_and_acc(model, data_loader):
    model.eval()
    mae = acc = n = 0
    for features, targets in data_loader:
        predicted = proba_to_label(model(features)[1])
        n += len(targets)
        mae += (predicted - targets).abs().sum().item()
        acc += (predicted == targets).sum().item()
    return mae / n, acc / n


X, y, clean = make_grades(14000)
print("Number of examples per grade:", np.bincount(y).tolist())
idx, te = train_test_split(np.arange(len(y)), test_size=2000, stratify=y, random_state=RANDOM_SEED)
tr, va = train_test_split(idx, test_size=2000, stratify=y[idx], random_state=RANDOM_SEED)
sc = StandardScaler().fit(X[tr])
train_loader = DataLoader(MyDataset(sc.transform(X[tr]), y[tr]), batch_size=BATCH_SIZE, shuffle=True, drop_last=True)
valid_loader = DataLoader(MyDataset(sc.transform(X[va]), y[va]), batch_size=500)
test_loader = DataLoader(MyDataset(sc.transform(X[te]), y[te]), batch_size=500)

model = MLP(X.shape[1], NUM_CLASSES)
optimizer = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE)
scheduler = torch.optim.lr_scheduler.MultiStepLR(optimizer, [12, 17], gamma=0.3)
best_mae, best_state = float("inf"), None
for epoch in range(NUM_EPOCHS):
    model.train()
    for batch_idx, (features, class_labels) in enumerate(train_loader):
        levels = levels_from_labelbatch(class_labels, NUM_CLASSES)
        logits, probas = model(features)
        loss = coral_loss(logits, levels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if not batch_idx % 80:
            print(f"Epoch: {epoch + 1:03d}/{NUM_EPOCHS:03d} | Batch {batch_idx:03d}/{len(train_loader):03d} | Loss: {loss:.4f}")
    scheduler.step()
    mae, acc = compute_mae_and_acc(model, valid_loader)
    print(f"Validation MAE: {mae:.3f} | accuracy: {acc:.3f}")
    if mae < best_mae:
        best_mae, best_state = mae, {k: v.clone() for k, v in model.state_dict().items()}

model.load_state_dict(best_state)
train_mae, train_acc = compute_mae_and_acc(model, train_loader)
mae, acc = compute_mae_and_acc(model, test_loader)
floor, middle = np.abs(clean[te] - y[te]).mean(), np.abs(np.median(y[tr]) - y[te]).mean()
print(f"MAE train {train_mae:.3f}, test {mae:.3f} (the noise leaves {floor:.3f}, the median grade {middle:.3f}); test accuracy {acc:.3f}")
print("RESULT", json.dumps({"metric": "test MAE", "value": round(mae, 4), "good": bool(mae <= floor + 0.1)}))
