import json
import sys

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from mnist1d.data import get_dataset_args, make_dataset

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
np.random.seed(seed)
torch.set_num_threads(1)

# tuned on a big card with batch_size = 64, here only 4 samples fit at once
BATCH_SIZE = 4
ACCUMULATE_GRAD_BATCHES = 16
LEARNING_RATE = 0.05


class ConvNet(nn.Module):
    def __init__(self, channels=25):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv1d(1, channels, 5, stride=2, padding=1), nn.ReLU(),
            nn.Conv1d(channels, channels, 3, stride=2, padding=1), nn.ReLU(),
            nn.Conv1d(channels, channels, 3, stride=2, padding=1), nn.ReLU(),
        )
        self.classifier = nn.Linear(channels * 5, 10)

    def forward(self, x):
        return self.classifier(self.features(x).flatten(1))


def load():
    args = get_dataset_args()
    args.num_samples = 5000
    args.seed = 42 + seed
    d = make_dataset(args)
    to_x = lambda a: torch.tensor(a, dtype=torch.float32).unsqueeze(1)
    to_y = lambda a: torch.tensor(a, dtype=torch.long)
    return TensorDataset(to_x(d["x"]), to_y(d["y"])), TensorDataset(to_x(d["x_test"]), to_y(d["y_test"]))


class Trainer:
    def __init__(self, model, max_epochs, accumulate_grad_batches):
        self.model = model
        self.max_epochs = max_epochs
        self.accumulate = accumulate_grad_batches
        self.optimizer = torch.optim.SGD(model.parameters(), lr=LEARNING_RATE, momentum=0.9)
        self.criterion = nn.CrossEntropyLoss()

    def training_step(self, batch):
        x, y = batch
        return self.criterion(self.model(x), y)

    def fit(self, train_loader, val_loader):
        for epoch in range(self.max_epochs):
            self.model.train()
            running = 0.0
            self.optimizer.zero_grad()
            for i, batch in enumerate(train_loader):
                loss = self.training_step(batch)
                running += loss.item()
                (loss / self.accumulate).backward()
                if (i + 1) % self.accumulate == 0:
                    self.optimizer.step()
                    self.optimizer.zero_grad()
            print(f"epoch {epoch:2d} | train_loss {running / len(train_loader):.4f} | val_acc {self.validate(val_loader):.4f}")

    @torch.no_grad()
    def validate(self, loader):
        self.model.eval()
        hits = sum((self.model(x).argmax(1) == y).sum().item() for x, y in loader)
        return hits / len(loader.dataset)


train_set, val_set = load()
train_loader = DataLoader(train_set, batch_size=BATCH_SIZE, shuffle=True, drop_last=True)
val_loader = DataLoader(val_set, batch_size=200)
print(len(train_set), "training signals,", len(val_set), "validation signals")

trainer = Trainer(ConvNet(), max_epochs=12, accumulate_grad_batches=ACCUMULATE_GRAD_BATCHES)
trainer.fit(train_loader, val_loader)
print("RESULT " + json.dumps({"metric": "val_accuracy", "value": round(trainer.validate(val_loader), 4)}))
