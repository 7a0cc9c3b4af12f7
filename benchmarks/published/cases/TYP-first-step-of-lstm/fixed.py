import json
import sys

import torch
from torch import nn


class SeqModel(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(3, 32, num_layers=2, batch_first=True)
        self.linear = nn.Linear(32, 3)

    def forward(self, x):
        out, _ = self.lstm(x)
        return self.linear(out[:, -1])


def gestures(n):
    """Three gestures that differ in their frequency, each begun at a random phase."""
    label = torch.randint(3, (n,))
    t = torch.linspace(0, 1, 20)
    phase = 6.28 * torch.rand(n, 1, 3)
    freq = (1 + 2 * label.float())[:, None, None]
    wave = torch.sin(6.28 * freq * t[None, :, None] + phase)
    return wave + 0.2 * torch.randn(n, 20, 3), label


torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
x_train, y_train = gestures(900)
x_test, y_test = gestures(300)
model = SeqModel()
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
for epoch in range(12):
    model.train()
    for b in torch.randperm(900).split(45):
        optimizer.zero_grad()
        loss = criterion(model(x_train[b]), y_train[b])
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        accuracy = (model(x_test).argmax(1) == y_test).float().mean().item()
    print(f"Epoch {epoch + 1:02d} loss {loss.item():.3f} accuracy {accuracy:.3f}")
print("RESULT", json.dumps({"metric": "accuracy", "value": accuracy}))
