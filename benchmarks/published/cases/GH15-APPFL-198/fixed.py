"""Federated averaging of a small recurrent model; every client runs local SGD with a gradient norm limit."""
import copy
import json
import sys

import numpy as np
import torch
import torch.nn as nn
from torch.utils.data import DataLoader, TensorDataset

torch.set_num_threads(1)


class CharRNN(nn.Module):
    def __init__(self, vocab, hidden=48):
        super().__init__()
        self.emb = nn.Embedding(vocab, 16)
        self.rnn = nn.RNN(16, hidden, batch_first=True, nonlinearity='relu')
        self.fc = nn.Linear(hidden, vocab)

    def forward(self, x):
        return self.fc(self.rnn(self.emb(x))[0]).transpose(1, 2)


class ClientOptim:
    def __init__(self, cid, model, loss_fn, dataset, optim_args, num_local_epochs, clip_value=0.5, clip_norm=2):
        self.id = cid
        self.model = model
        self.loss_fn = loss_fn
        self.loader = DataLoader(dataset, batch_size=16, shuffle=True)
        self.optim_args = optim_args
        self.num_local_epochs = num_local_epochs
        self.clip_grad, self.clip_value, self.clip_norm = True, clip_value, clip_norm

    def update(self, global_state):
        self.model.load_state_dict(global_state)
        self.model.train()
        optimizer = torch.optim.SGD(self.model.parameters(), **self.optim_args)
        total = 0.0
        for _ in range(self.num_local_epochs):
            for data, target in self.loader:
                optimizer.zero_grad()
                output = self.model(data)
                loss = self.loss_fn(output, target)
                loss.backward()
                if self.clip_grad:
                    torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.clip_value, norm_type=self.clip_norm)
                optimizer.step()
                total += loss.item()
        return copy.deepcopy(self.model.state_dict()), total / len(self.loader) / self.num_local_epochs


class FedAvgServer:
    def __init__(self, model):
        self.model = model

    def aggregate(self, states):
        new = {k: sum(s[k] for s in states) / len(states) for k in states[0]}
        self.model.load_state_dict(new)


def make_text(n, rng, length=48):
    """bracketed strings: words from a small lexicon, each repeated a few times and closed by its first letter"""
    lex = ["abcad", "efgeh", "ijkli", "mnopm", "qrsqt", "uvwxu"]
    rows = []
    for _ in range(n):
        s = ""
        while len(s) < length + 1:
            w = lex[rng.integers(len(lex))]
            s += "(" + w * 2 + w[0] + ")"
        rows.append([ord(c) - ord("a") + 2 if c.isalpha() else "()".index(c) for c in s[:length + 1]])
    t = torch.tensor(rows)
    return TensorDataset(t[:, :-1], t[:, 1:])


def main(seed):
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    model = CharRNN(28)
    loss_fn = nn.CrossEntropyLoss()
    clients = [ClientOptim(i, CharRNN(28), loss_fn, make_text(160, rng), dict(lr=1.5, momentum=0.9), 1)
               for i in range(4)]
    server = FedAvgServer(model)
    tx, ty = make_text(200, rng).tensors
    for rnd in range(12):
        results = [c.update(model.state_dict()) for c in clients]
        server.aggregate([r[0] for r in results])
        with torch.no_grad():
            out = model(tx)
            test_loss = loss_fn(out, ty).item()
            acc = (out.argmax(1) == ty).float().mean().item()
        print("round %2d  train loss %.4f  test loss %.4f  test accuracy %.4f" % (
            rnd + 1, np.mean([r[1] for r in results]), test_loss, acc))
    print("RESULT " + json.dumps({"metric": "test_next_char_accuracy", "value": acc}))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
