import io
import json
import sys

import torch
import torch.nn as nn
from sklearn.datasets import load_digits

WARMUP = 120


class Trainer:
    def __init__(self, x, y):
        self.x, self.y = x, y
        self.model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.2, momentum=0.9)
        self.global_step = 0

    def update_lr(self):
        factor = 1e-4 + min(1.0, (self.global_step / WARMUP) ** 2)
        for group in self.optimizer.param_groups:
            group["lr"] = 0.2 * factor

    def save(self):
        buffer = io.BytesIO()
        torch.save({"model": self.model.state_dict(), "optimizer": self.optimizer.state_dict(),
                    "step": self.global_step}, buffer)
        return buffer.getvalue()

    def resume(self, checkpoint):
        state = torch.load(io.BytesIO(checkpoint))
        self.model.load_state_dict(state["model"])

    def train(self, minutes):
        for _ in range(minutes):
            self.update_lr()
            idx = torch.randint(0, len(self.x), (32,))
            loss = nn.functional.cross_entropy(self.model(self.x[idx]), self.y[idx])
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            self.global_step += 1
        return loss.item()


torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
d = load_digits()
perm = torch.randperm(1797)
x, y = torch.tensor(d.data / 16, dtype=torch.float32)[perm], torch.tensor(d.target)[perm]
checkpoint = None
# a pre-emptible machine: a session lasts 25 steps
for session in range(20):
    trainer = Trainer(x[:1400], y[:1400])
    if checkpoint is not None:
        trainer.resume(checkpoint)
    loss = trainer.train(25)
    checkpoint = trainer.save()
    with torch.no_grad():
        acc = (trainer.model(x[1400:]).argmax(1) == y[1400:]).float().mean().item()
    print(f"session {session}: loss {loss:.4f} accuracy {acc:.4f}")
print("RESULT", json.dumps({"metric": "accuracy", "value": acc}))
