"""Penlight in Hugging Face's Trainer: one callback. `... sound` repairs the model."""

import sys

import torch
from torch import nn
from torch.nn import functional as F
from transformers import Trainer, TrainingArguments, set_seed

from penlight.integrations.transformers import PenlightCallback


class Classifier(nn.Module):
    def __init__(self, sound):
        super().__init__()
        layers = [nn.Linear(2, 32), nn.ReLU(), nn.Linear(32, 3)]
        if not sound:
            layers.append(nn.Softmax(dim=1))  # cross_entropy has one already
        self.net = nn.Sequential(*layers)

    def forward(self, x, labels):
        logits = self.net(x)
        return {"loss": F.cross_entropy(logits, labels), "logits": logits}


def points(n):
    y = torch.randint(3, (n,))
    angle = 2 * torch.pi * y / 3
    x = torch.stack([angle.cos(), angle.sin()], dim=1) + 0.4 * torch.randn(n, 2)
    return [{"x": 1.2 * a, "labels": b} for a, b in zip(x, y, strict=True)]


set_seed(0)
trainer = Trainer(
    Classifier(sound="sound" in sys.argv),
    TrainingArguments(
        output_dir="output",
        num_train_epochs=8,
        per_device_train_batch_size=24,
        learning_rate=0.01,
        logging_steps=10,
        save_strategy="no",
        report_to=[],
        use_cpu=True,
        disable_tqdm=True,
    ),
    train_dataset=points(480),
    eval_dataset=points(120),
    callbacks=[PenlightCallback()],
)
loss = trainer.train().training_loss
print(f"training loss {loss:.3f}, evaluation loss {trainer.evaluate()['eval_loss']:.3f}")
