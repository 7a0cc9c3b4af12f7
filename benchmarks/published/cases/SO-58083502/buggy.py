"""Two-class sequences with a stacked recurrent net."""
import json
import sys

import torch
import torch.nn as nn
from torch.utils.data import DataLoader, TensorDataset

LENGTH = 60


def make(n):
    """class 1 carries a slow wave, class 0 a faster one"""
    y = torch.randint(2, (n,)).float()
    t = torch.arange(LENGTH) / LENGTH
    freq = torch.where(y == 1, 2.0, 4.0)[:, None]
    phase = 6.28 * torch.rand(n, 1)
    x = torch.sin(6.28 * freq * t + phase) + 0.5 * torch.randn(n, LENGTH)
    return x.unsqueeze(-1), y


class LSTMCell(nn.Module):
    """LSTM with a chosen activation for the candidate and the output"""

    def __init__(self, n_in, n_hidden, activation):
        super().__init__()
        self.gates = nn.Linear(n_in + n_hidden, 4 * n_hidden)
        nn.init.xavier_uniform_(self.gates.weight)
        nn.init.zeros_(self.gates.bias)
        nn.init.ones_(self.gates.bias[n_hidden:2 * n_hidden])
        self.n_hidden, self.activation = n_hidden, activation

    def forward(self, x):
        h = c = x.new_zeros(len(x), self.n_hidden)
        outputs = []
        for t in range(x.size(1)):
            i, f, g, o = self.gates(torch.cat([x[:, t], h], 1)).chunk(4, 1)
            c = torch.sigmoid(f) * c + torch.sigmoid(i) * self.activation(g)
            h = torch.sigmoid(o) * self.activation(c)
            outputs.append(h)
        return torch.stack(outputs, 1)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn1 = LSTMCell(1, 24, torch.relu)
        self.rnn2 = LSTMCell(24, 24, torch.relu)
        self.drop = nn.Dropout(0.2)
        self.fc = nn.Linear(24, 16)
        self.out = nn.Linear(16, 1)

    def forward(self, x):
        x = self.drop(self.rnn1(x))
        x = self.drop(self.rnn2(x)[:, -1])
        return torch.sigmoid(self.out(torch.relu(self.fc(x)))).squeeze(1)


def main():
    torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
    train = DataLoader(TensorDataset(*make(512)), batch_size=64, shuffle=True)
    x_val, y_val = make(300)
    model = Net()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    for epoch in range(12):
        model.train()
        for x, y in train:
            prob = model(x).clamp(1e-7, 1 - 1e-7)
            loss = -(y * prob.log() + (1 - y) * (1 - prob).log()).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            acc = ((model(x_val) > 0.5).float() == y_val).float().mean().item()
        print(f"epoch {epoch}: loss {loss.item():.4f}, val acc {acc:.3f}")
    print("RESULT", json.dumps({"metric": "accuracy", "value": acc}))


main()
