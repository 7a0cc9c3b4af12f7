import argparse
import json

import numpy as np
import torch
import torch.nn as nn
import torch.optim as optim


class Sequence(nn.Module):
    def __init__(self, hidden=24):
        super(Sequence, self).__init__()
        self.hidden = hidden
        self.lstm1 = nn.LSTMCell(1, hidden)
        self.lstm2 = nn.LSTMCell(hidden, hidden)
        self.linear = nn.Linear(hidden, 1)

    def forward(self, input, future=0):
        outputs = []
        h_t = torch.zeros(input.size(0), self.hidden, dtype=torch.double)
        c_t = torch.zeros(input.size(0), self.hidden, dtype=torch.double)
        h_t2 = torch.zeros(input.size(0), self.hidden, dtype=torch.double)
        c_t2 = torch.zeros(input.size(0), self.hidden, dtype=torch.double)

        for input_t in input.split(1, dim=1):
            h_t, c_t = self.lstm1(input_t, (h_t, c_t))
            h_t2, c_t2 = self.lstm2(h_t, (h_t2, c_t2))
            output = self.linear(h_t2)
            outputs += [output]
        for i in range(future):  # go on with our own predictions
            h_t, c_t = self.lstm1(output, (h_t, c_t))
            h_t2, c_t2 = self.lstm2(h_t, (h_t2, c_t2))
            output = self.linear(h_t2)
            outputs += [output]
        return torch.cat(outputs, dim=1)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("seed", type=int, nargs="?", default=0)
    parser.add_argument("--steps", type=int, default=8, help="LBFGS steps, 20 iterations each")
    opt = parser.parse_args()
    np.random.seed(opt.seed)
    torch.manual_seed(opt.seed)

    # sine waves with random phases
    T, L, N = 8, 60, 40
    x = np.arange(L)[None, :] + np.random.randint(-4 * T, 4 * T, N)[:, None]
    data = torch.from_numpy(np.sin(x / T).astype("float64"))
    input, target = data[8:, :-1], data[8:, 1:]
    test_input, test_target = data[:8, :-1], data[:8, 1:]

    seq = Sequence()
    seq.double()
    criterion = nn.MSELoss()
    # small data, so the whole set goes through LBFGS at once
    optimizer = optim.LBFGS(seq.parameters(), lr=0.8)
    for i in range(opt.steps):
        print("STEP: ", i)

        def closure():
            optimizer.zero_grad()
            out = seq(input)
            loss = criterion(out, target)
            loss.backward()
            return loss

        loss = optimizer.step(closure)
        print("loss at the start of the step:", loss.item())
        with torch.no_grad():
            future = 50
            pred = seq(test_input, future=future)
            test_loss = criterion(pred[:, :-future], test_target).item()
            print("test loss:", test_loss)

    # how well does it carry the waves on by itself?
    last = x[:8, -1:] + np.arange(1, future + 1)[None, :]
    truth = torch.from_numpy(np.sin(last / T))
    rollout = (pred[:, -future:] - truth).pow(2).mean().item()
    print("mse of the free run over", future, "steps:", rollout)
    print("RESULT", json.dumps({"metric": "test mse, one step", "value": round(test_loss, 6), "good": test_loss <= 2e-3}))
