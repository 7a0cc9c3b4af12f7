import sys
import json
import random
import numpy as np
import torch
import torch.nn as nn

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
random.seed(seed)
np.random.seed(seed)
torch.manual_seed(seed)


def make_data(n):
    # 99 time steps, 22 sensors, 2 channels
    y = (np.random.rand(n) < 0.5).astype(np.float32)
    x = np.random.randn(n, 2, 99, 22).astype(np.float32)
    burst = np.sin(np.linspace(0, 6 * np.pi, 20)).astype(np.float32)
    for i in range(n):
        if y[i] == 1:
            t = np.random.randint(0, 79)
            x[i, 1, t:t + 20, :] += burst[:, None]
    return torch.from_numpy(x), torch.from_numpy(y).view(-1, 1)


def CNN(train_X, train_y, test_X, epochs=3, batch_size=32):
    model = nn.Sequential(
        nn.Conv2d(2, 12, kernel_size=3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(12, 24, kernel_size=3),
        nn.ReLU(),
        nn.MaxPool2d((3, 2)),
        nn.Flatten(),
        nn.Linear(24 * 15 * 4, 1),
        nn.Softmax(dim=1),
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=0.001)
    for epoch in range(epochs):
        model.train()
        perm = torch.randperm(len(train_X))
        for k in range(0, len(perm), batch_size):
            b = perm[k:k + batch_size]
            optimizer.zero_grad()
            pred = model(train_X[b])
            loss = -(train_y[b] * torch.log(pred)).sum(dim=1).mean()
            loss.backward()
            optimizer.step()
        acc = ((pred.detach() > 0.5).float() == train_y[b]).float().mean().item()
        print(f"epoch {epoch}: loss={loss.item():.4f} batch accuracy={acc:.3f}")
    model.eval()
    with torch.no_grad():
        return model(test_X).round()


train_X, train_y = make_data(1200)
test_X, test_y = make_data(400)
preds = CNN(train_X, train_y, test_X)
accuracy = (preds == test_y).float().mean().item()
print("predicted positives:", int(preds.sum()), "of", len(preds))
print("RESULT " + json.dumps({"accuracy": accuracy}))
