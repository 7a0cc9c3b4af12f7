import sys
import json
import numpy as np
import torch
from torch import nn
from torch.optim import AdamW
from torch.optim.lr_scheduler import ExponentialLR
from torch.utils.data import DataLoader, TensorDataset
from sklearn.datasets import make_classification
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
np.random.seed(seed)
torch.manual_seed(seed)


class BudgetTracker:
    def __init__(self, max_epochs):
        self.max_epochs = max_epochs

    def is_max_epoch_reached(self, epoch):
        return epoch > self.max_epochs


class ShapedMLPBackbone(nn.Module):
    def __init__(self, in_features, num_groups=2, max_units=96, num_classes=4):
        super().__init__()
        layers = []
        units = np.linspace(max_units, max_units // 2, num_groups).astype(int)
        for u in units:
            layers += [nn.Linear(in_features, int(u)), nn.BatchNorm1d(int(u)), nn.ReLU()]
            in_features = int(u)
        layers.append(nn.Linear(in_features, num_classes))
        self.net = nn.Sequential(*layers)

    def forward(self, x):
        return self.net(x)


class TrainerComponent:
    def prepare(self, model, criterion, optimizer, scheduler, device):
        self.model = model.to(device)
        self.criterion = criterion
        self.optimizer = optimizer
        self.scheduler = scheduler
        self.device = device

    def train_epoch(self, train_loader):
        loss_sum, N = 0.0, 0
        self.model.train()
        for step, (data, targets) in enumerate(train_loader):
            loss, outputs = self.train_step(data, targets)
            loss_sum += loss * data.size(0)
            N += data.size(0)
        if self.scheduler:
            self.scheduler.step()
        return loss_sum / N

    def train_step(self, data, targets):
        data, targets = data.float().to(self.device), targets.long().to(self.device)
        self.optimizer.zero_grad()
        outputs = self.model(data)
        loss = self.criterion(outputs, targets)
        loss.backward()
        self.optimizer.step()
        return loss.item(), outputs

    def evaluate(self, loader):
        self.model.eval()
        loss_sum, N, preds, ys = 0.0, 0, [], []
        with torch.no_grad():
            for data, targets in loader:
                out = self.model(data.float().to(self.device))
                loss_sum += self.criterion(out, targets.long()).item() * data.size(0)
                N += data.size(0)
                preds.append(out.argmax(1))
                ys.append(targets)
        return loss_sum / N, balanced_accuracy_score(torch.cat(ys), torch.cat(preds))


X, y = make_classification(n_samples=16000, n_features=20, n_informative=10, n_redundant=4, n_classes=4,
                           n_clusters_per_class=3, class_sep=1.3, flip_y=0.01, random_state=42 + seed)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.25, random_state=seed, stratify=y)
scaler = StandardScaler().fit(X_train)
X_train, X_test = scaler.transform(X_train), scaler.transform(X_test)

train_loader = DataLoader(TensorDataset(torch.tensor(X_train), torch.tensor(y_train)), batch_size=64, shuffle=True)
val_loader = DataLoader(TensorDataset(torch.tensor(X_test), torch.tensor(y_test)), batch_size=512)

model = ShapedMLPBackbone(X.shape[1])
optimizer = AdamW(model.parameters(), lr=2e-3, weight_decay=1e-2)
scheduler = ExponentialLR(optimizer, gamma=0.85)

trainer = TrainerComponent()
trainer.prepare(model, nn.CrossEntropyLoss(), optimizer, scheduler, torch.device('cpu'))
budget_tracker = BudgetTracker(max_epochs=15)

epoch = 1
while True:
    train_loss = trainer.train_epoch(train_loader)
    val_loss, val_metric = trainer.evaluate(val_loader)
    print(f"[{epoch}] train_loss={train_loss:.4f} val_loss={val_loss:.4f} val_balanced_accuracy={val_metric:.4f}")
    epoch += 1
    if budget_tracker.is_max_epoch_reached(epoch):
        break

print("RESULT " + json.dumps({"metric": "validation balanced accuracy", "value": round(val_metric, 4)}))
