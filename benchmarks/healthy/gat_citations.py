# Graph attention network on a small citation graph, dense attention with a mask
import argparse
import json
import time

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.optim import Adam


class GraphAttentionLayer(nn.Module):
    def __init__(self, in_features, out_features, n_heads, concat=False, dropout=0.4, leaky_relu_slope=0.2):
        super().__init__()
        self.n_heads, self.concat, self.dropout = n_heads, concat, dropout
        self.n_hidden = out_features // n_heads if concat else out_features
        self.W = nn.Parameter(torch.empty(in_features, self.n_hidden * n_heads))
        self.a = nn.Parameter(torch.empty(n_heads, 2 * self.n_hidden, 1))
        self.leakyrelu = nn.LeakyReLU(leaky_relu_slope)
        nn.init.xavier_normal_(self.W)
        nn.init.xavier_normal_(self.a)

    def forward(self, h, adj_mat):
        n_nodes = h.shape[0]
        h = F.dropout(torch.mm(h, self.W), self.dropout, training=self.training)
        h = h.view(n_nodes, self.n_heads, self.n_hidden).permute(1, 0, 2)
        source = torch.matmul(h, self.a[:, :self.n_hidden, :])
        target = torch.matmul(h, self.a[:, self.n_hidden:, :])
        e = self.leakyrelu(source + target.mT)
        e = torch.where(adj_mat > 0, e, -9e16 * torch.ones_like(e))
        attention = F.dropout(F.softmax(e, dim=-1), self.dropout, training=self.training)
        h_prime = torch.matmul(attention, h)
        if self.concat:
            return h_prime.permute(1, 0, 2).contiguous().view(n_nodes, -1)
        return h_prime.mean(dim=0)


class GAT(nn.Module):
    def __init__(self, in_features, n_hidden, n_heads, num_classes, dropout=0.4):
        super().__init__()
        self.gat1 = GraphAttentionLayer(in_features, n_hidden, n_heads, concat=True, dropout=dropout)
        self.gat2 = GraphAttentionLayer(n_hidden, num_classes, 1, dropout=dropout)

    def forward(self, x, adj_mat):
        x = F.elu(self.gat1(x, adj_mat))
        return F.log_softmax(self.gat2(x, adj_mat), dim=1)


def make_citations(rng, n_nodes=450, n_classes=5, n_words=300):
    """Papers of five fields: they mostly cite their own field and use some of its words."""
    labels = rng.integers(n_classes, size=n_nodes)
    same = labels[:, None] == labels[None]
    links = np.triu(rng.random((n_nodes, n_nodes)) < np.where(same, 0.04, 0.002), 1)
    adj = links | links.T | np.eye(n_nodes, dtype=bool)
    field_of_word = rng.integers(n_classes, size=n_words)
    p = np.where(labels[:, None] == field_of_word[None], 0.08, 0.025)
    words = (rng.random((n_nodes, n_words)) < p).astype(np.float32)
    words /= np.maximum(words.sum(1, keepdims=True), 1)
    return torch.from_numpy(words), torch.from_numpy(labels), torch.from_numpy(adj.astype(np.float32))


def train_iter(epoch, model, optimizer, criterion, input, target, mask_train, mask_val, print_every):
    start_t = time.time()
    model.train()
    optimizer.zero_grad()
    output = model(*input)
    loss = criterion(output[mask_train], target[mask_train])
    loss.backward()
    optimizer.step()
    if epoch % print_every == 0:
        loss_train, acc_train = test(model, criterion, input, target, mask_train)
        loss_val, acc_val = test(model, criterion, input, target, mask_val)
        print(f"Epoch: {epoch:04d} ({time.time() - start_t:.4f}s) loss_train: {loss_train:.4f} acc_train: {acc_train:.4f} "
              f"loss_val: {loss_val:.4f} acc_val: {acc_val:.4f}")


def test(model, criterion, input, target, mask):
    model.eval()
    with torch.no_grad():
        output = model(*input)[mask]
        return criterion(output, target[mask]).item(), (output.argmax(1) == target[mask]).float().mean().item()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="PyTorch Graph Attention Network")
    parser.add_argument("seed", type=int, nargs="?", default=0)
    parser.add_argument("--epochs", type=int, default=300)
    parser.add_argument("--lr", type=float, default=0.005)
    parser.add_argument("--l2", type=float, default=5e-4)
    parser.add_argument("--dropout-p", type=float, default=0.6)
    parser.add_argument("--hidden-dim", type=int, default=64)
    parser.add_argument("--num-heads", type=int, default=4)
    parser.add_argument("--val-every", type=int, default=20)
    args = parser.parse_args()
    torch.manual_seed(args.seed)

    features, labels, adj_mat = make_citations(np.random.default_rng(args.seed))
    idx = torch.randperm(len(labels))
    idx_test, idx_val, idx_train = idx[:200], idx[200:270], idx[270:]
    net = GAT(features.shape[1], args.hidden_dim, args.num_heads, 5, dropout=args.dropout_p)
    optimizer = Adam(net.parameters(), lr=args.lr, weight_decay=args.l2)
    criterion = nn.NLLLoss()
    for epoch in range(args.epochs):
        train_iter(epoch + 1, net, optimizer, criterion, (features, adj_mat), labels, idx_train, idx_val, args.val_every)
    loss_test, acc_test = test(net, criterion, (features, adj_mat), labels, idx_test)
    print(f"Test set results: loss {loss_test:.4f} accuracy {acc_test:.4f}")
    print("RESULT", json.dumps({"metric": "test accuracy", "value": round(acc_test, 4), "good": acc_test >= 0.85}))
