import json
import sys

import numpy as np
import torch
import torch.nn as nn
from torch.utils.data import DataLoader, TensorDataset

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
np.random.seed(seed)
torch.manual_seed(seed)

ALPHABET = "ACDEFGHIKLMNPQRSTVWY"
LENGTH = 12


def peptides(n, site_effects, pair_effects):
    seqs = np.random.randint(0, len(ALPHABET), (n, LENGTH))
    fitness = site_effects[np.arange(LENGTH), seqs].sum(1)
    for (i, j), table in pair_effects.items():
        fitness += table[seqs[:, i], seqs[:, j]]
    fitness += 0.02 * np.random.randn(n)
    return torch.tensor(seqs), torch.tensor(fitness, dtype=torch.float32)


class FitnessRegressor(nn.Module):
    def __init__(self, hidden=64):
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(LENGTH * len(ALPHABET), hidden), nn.ReLU(),
            nn.Linear(hidden, hidden), nn.ReLU(),
            nn.Linear(hidden, 1),
        )

    def forward(self, seqs):
        one_hot = nn.functional.one_hot(seqs, len(ALPHABET)).float()
        return self.net(one_hot.flatten(1)).squeeze(-1)


class Trainer:
    def __init__(self, model, learning_rate=0.01, batch_size=64, epochs=12):
        self.model = model
        self.batch_size = batch_size
        self.epochs = epochs
        self.loss_fn = nn.MSELoss()
        self.optimizer = torch.optim.Adam(model.parameters(), lr=learning_rate)

    def fit(self, train_set, val_set):
        loader = DataLoader(TensorDataset(*train_set), batch_size=self.batch_size, shuffle=True)
        for epoch in range(self.epochs):
            self.model.train()
            total = 0.0
            for seqs, fitness in loader:
                self.optimizer.zero_grad()
                loss = self.loss_fn(self.model(seqs), fitness)
                loss.backward()
                self.optimizer.step()
                total += loss.item() * len(fitness)
            val_loss = self.score(val_set)
            print(f"epoch {epoch + 1}: train loss {total / len(loader.dataset):.4f} val loss {val_loss:.4f}")
        return val_loss

    def score(self, data):
        self.model.eval()
        with torch.no_grad():
            return self.loss_fn(self.model(data[0]), data[1]).item()


sites = np.random.randn(LENGTH, len(ALPHABET)) * 0.1
pairs = {(0, 5): np.random.randn(20, 20) * 0.01, (3, 9): np.random.randn(20, 20) * 0.01}
train_set, val_set = peptides(8000, sites, pairs), peptides(1000, sites, pairs)
trainer = Trainer(FitnessRegressor())
print("RESULT", json.dumps({"metric": "val_mse", "value": trainer.fit(train_set, val_set)}))
