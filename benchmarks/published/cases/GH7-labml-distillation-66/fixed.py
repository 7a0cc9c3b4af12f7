import json
import sys

import torch
import torch.nn as nn
from sklearn.datasets import load_digits

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)


class Configs:
    def __init__(self):
        self.epochs = 30
        self.batch_size = 64
        self.temperature = 3.0
        self.soft_targets_weight = 100.0
        self.label_loss_weight = 0.5
        self.n_student_labels = 60
        d = load_digits()
        x, y = torch.tensor(d.data, dtype=torch.float32) / 16, torch.tensor(d.target)
        p = torch.randperm(len(x))
        self.train_x, self.train_y = x[p[:1300]], y[p[:1300]]
        self.valid_x, self.valid_y = x[p[1300:]], y[p[1300:]]
        self.has_label = torch.arange(1300) < self.n_student_labels
        self.large = nn.Sequential(nn.Linear(64, 256), nn.ReLU(), nn.Dropout(0.3), nn.Linear(256, 128), nn.ReLU(), nn.Dropout(0.3), nn.Linear(128, 10))
        self.model = nn.Sequential(nn.Linear(64, 24), nn.ReLU(), nn.Linear(24, 10))
        self.kl_div_loss = nn.KLDivLoss(log_target=True)
        self.loss_func = nn.CrossEntropyLoss()

    def batches(self):
        return torch.randperm(len(self.train_x)).split(self.batch_size)

    def accuracy(self, model):
        model.eval()
        with torch.no_grad():
            return (model(self.valid_x).argmax(1) == self.valid_y).float().mean().item()

    def train_large(self):
        opt = torch.optim.Adam(self.large.parameters(), lr=2e-3)
        for _ in range(25):
            self.large.train()
            for idx in self.batches():
                loss = self.loss_func(self.large(self.train_x[idx]), self.train_y[idx])
                opt.zero_grad()
                loss.backward()
                opt.step()
        print(f"large model: accuracy.valid {self.accuracy(self.large):.4f}")

    def step(self, idx):
        data, target, known = self.train_x[idx], self.train_y[idx], self.has_label[idx]
        with torch.no_grad():
            large_logits = self.large(data)
        output = self.model(data)
        soft_targets = nn.functional.log_softmax(large_logits / self.temperature, dim=-1)
        soft_prob = nn.functional.log_softmax(output / self.temperature, dim=-1)
        soft_targets_loss = self.kl_div_loss(soft_prob, soft_targets)
        label_loss = self.loss_func(output[known], target[known]) if known.any() else output.sum() * 0.0
        loss = self.soft_targets_weight * soft_targets_loss + self.label_loss_weight * label_loss
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return torch.tensor([soft_targets_loss.item(), label_loss.item(), loss.item()])

    def run(self):
        self.train_large()
        self.large.eval()
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=2.5e-3)
        for epoch in range(self.epochs):
            self.model.train()
            soft, label, total = torch.stack([self.step(i) for i in self.batches()]).mean(0).tolist()
            acc = self.accuracy(self.model)
            if epoch % 3 == 2:
                print(f"{epoch + 1:3d}: kl_div {soft:.5f} nll {label:.4f} loss {total:.4f} accuracy.valid {acc:.4f}")
        return acc


print("RESULT", json.dumps({"metric": "accuracy", "value": Configs().run()}))
