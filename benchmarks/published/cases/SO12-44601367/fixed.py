import sys
import json
import numpy as np
import torch
from torch import nn

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
np.random.seed(seed)
torch.manual_seed(seed)

# this is the size of our encoded representations
encoding_dim = 12
n_features = 12

mix = np.random.uniform(0.2, 1.0, size=(3, n_features))
factors = np.random.uniform(0.0, 1.5, size=(4000, 3))
x = 1.0 + factors @ mix + 0.02 * np.random.randn(4000, n_features)
x = torch.tensor(x, dtype=torch.float32)
x_train, x_test = x[:3200], x[3200:]
print("training data from %.2f to %.2f" % (x_train.min(), x_train.max()))


class Autoencoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoded = nn.Sequential(nn.Linear(n_features, encoding_dim), nn.ReLU())
        self.decoded = nn.Sequential(nn.Linear(encoding_dim, n_features))

    def forward(self, x):
        return self.decoded(self.encoded(x))


autoencoder = Autoencoder()
optimizer = torch.optim.Adam(autoencoder.parameters(), lr=3e-3)
mse = nn.MSELoss()

epochs, batch_size = 40, 32
for epoch in range(epochs):
    perm = torch.randperm(len(x_train))
    total = 0.0
    for i in range(0, len(x_train), batch_size):
        xb = x_train[perm[i:i + batch_size]]
        loss = mse(autoencoder(xb), xb)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item() * len(xb)
    if (epoch + 1) % 5 == 0:
        print("Epoch %d/%d - loss: %.4f" % (epoch + 1, epochs, total / len(x_train)))

autoencoder.eval()
with torch.no_grad():
    rec = autoencoder(x_test)
print("input ", x_test[0].numpy().round(2))
print("output", rec[0].numpy().round(2))
r2 = 1 - ((rec - x_test) ** 2).sum().item() / ((x_test - x_train.mean(0)) ** 2).sum().item()
print("RESULT " + json.dumps({"metric": "reconstruction R2 on held-out rows", "value": r2}))
