# Graph attention network on dense batches of graphs (tutorial code)
import json
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F

torch.set_num_threads(1)


class GATLayer(nn.Module):
    def __init__(self, c_in, c_out, num_heads=1, concat_heads=True, alpha=0.2):
        super().__init__()
        self.num_heads = num_heads
        self.concat_heads = concat_heads
        if self.concat_heads:
            assert c_out % num_heads == 0
            c_out = c_out // num_heads
        self.projection = nn.Linear(c_in, c_out * num_heads)
        self.a = nn.Parameter(torch.Tensor(num_heads, 2 * c_out))
        self.leakyrelu = nn.LeakyReLU(alpha)
        nn.init.xavier_uniform_(self.projection.weight.data, gain=1.414)
        nn.init.xavier_uniform_(self.a.data, gain=1.414)

    def forward(self, node_feats, adj_matrix):
        """node_feats [batch, nodes, c_in]; adj_matrix [batch, nodes, nodes] with self-connections"""
        batch_size, num_nodes = node_feats.size(0), node_feats.size(1)
        node_feats = self.projection(node_feats)
        node_feats = node_feats.view(batch_size, num_nodes, self.num_heads, -1)

        # attention logits for every edge of the adjacency matrix
        edges = adj_matrix.nonzero(as_tuple=False)
        node_feats_flat = node_feats.view(batch_size * num_nodes, self.num_heads, -1)
        edge_indices_row = edges[:, 0] * batch_size + edges[:, 1]
        edge_indices_col = edges[:, 0] * batch_size + edges[:, 2]
        a_input = torch.cat([
            torch.index_select(node_feats_flat, index=edge_indices_row, dim=0),
            torch.index_select(node_feats_flat, index=edge_indices_col, dim=0)
        ], dim=-1)
        attn_logits = torch.einsum('bhc,hc->bh', a_input, self.a)
        attn_logits = self.leakyrelu(attn_logits)

        attn_matrix = attn_logits.new_zeros(adj_matrix.shape + (self.num_heads,)).fill_(-9e15)
        attn_matrix[adj_matrix[..., None].repeat(1, 1, 1, self.num_heads) == 1] = attn_logits.reshape(-1)

        attn_probs = F.softmax(attn_matrix, dim=2)
        node_feats = torch.einsum('bijh,bjhc->bihc', attn_probs, node_feats)
        if self.concat_heads:
            node_feats = node_feats.reshape(batch_size, num_nodes, -1)
        else:
            node_feats = node_feats.mean(dim=2)
        return node_feats


class GATModel(nn.Module):
    def __init__(self, c_in, c_hidden, c_out, num_heads=4):
        super().__init__()
        self.gat1 = GATLayer(c_in, c_hidden, num_heads)
        self.gat2 = GATLayer(c_hidden, c_hidden, num_heads)
        self.head = nn.Sequential(nn.Linear(2 * c_hidden + c_in, c_hidden), nn.ReLU(), nn.Linear(c_hidden, c_out))

    def forward(self, x, adj):
        h1 = F.elu(self.gat1(x, adj))
        h2 = F.elu(self.gat2(h1, adj))
        return self.head(torch.cat([x, h1, h2], dim=-1))


def make_graphs(n, num_nodes, num_classes, gen):
    """Random graphs; every node has to report the class of its neighbour with the highest authority."""
    prob = torch.rand(n, num_nodes, num_nodes, generator=gen)
    adj = ((prob + prob.transpose(1, 2)) / 2 < 0.3).float()
    adj = ((adj + torch.eye(num_nodes)) > 0).float()
    cls = torch.randint(0, num_classes, (n, num_nodes), generator=gen)
    authority = torch.rand(n, num_nodes, generator=gen)
    x = torch.cat([F.one_hot(cls, num_classes).float(), 4 * authority.unsqueeze(-1)], dim=-1)
    score = authority.unsqueeze(1).expand(-1, num_nodes, -1).masked_fill(adj == 0, -1)
    y = torch.gather(cls, 1, score.argmax(-1))
    return x, adj, y


def accuracy(model, data, batch_size):
    model.eval()
    x, adj, y = data
    hits = 0
    with torch.no_grad():
        for i in range(0, x.size(0), batch_size):
            pred = model(x[i:i + batch_size], adj[i:i + batch_size]).argmax(-1)
            hits += (pred == y[i:i + batch_size]).sum().item()
    model.train()
    return hits / y.numel()


def main(seed):
    torch.manual_seed(seed)
    gen = torch.Generator().manual_seed(seed)
    num_nodes, num_classes, batch_size = 20, 4, 16
    train = make_graphs(1024, num_nodes, num_classes, gen)
    test = make_graphs(256, num_nodes, num_classes, gen)

    model = GATModel(num_classes + 1, 32, num_classes)
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    for epoch in range(20):
        perm = torch.randperm(train[0].size(0))
        total = 0.0
        for i in range(0, len(perm), batch_size):
            idx = perm[i:i + batch_size]
            x, adj, y = (t[idx] for t in train)
            loss = F.cross_entropy(model(x, adj).flatten(0, 1), y.flatten())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(idx)
        if (epoch + 1) % 4 == 0:
            print(f'epoch {epoch + 1}: train loss {total / len(perm):.3f}, test acc {accuracy(model, test, batch_size):.3f}')
    acc = accuracy(model, test, batch_size)
    print('RESULT ' + json.dumps({"metric": "test_accuracy", "value": acc}))


if __name__ == '__main__':
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
