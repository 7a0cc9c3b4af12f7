import sys
import json
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import optim

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
np.random.seed(seed)
torch.manual_seed(seed)

options = {
    'n_attr': 10,
    'n_emb': 32,
    'n_hid': 64,
    'n_layers': 3,
    'act': 'nn.Tanh',
    'batch_size': 128,
    'n_epochs': 6,
    'lrate': 1e-3,
}

# word vectors stand in for the pretrained embeddings; word 2k and 2k+1 are antonyms
rng = np.random.RandomState(1234)
wemb = rng.randn(2 * options['n_attr'], options['n_emb']).astype('float32')


def make_pairs(n, rng):
    prem = np.zeros((n, 4), dtype='int64')
    hyp = np.zeros((n, 2), dtype='int64')
    lab = np.zeros(n, dtype='int64')
    for i in range(n):
        attrs = rng.permutation(options['n_attr'])
        pol = rng.randint(0, 2, 4)
        prem[i] = 2 * attrs[:4] + pol
        lab[i] = rng.randint(3)
        j = rng.randint(4)
        k = (j + 1 + rng.randint(3)) % 4
        hyp[i, 0] = prem[i, k]
        if lab[i] == 0:
            hyp[i, 1] = prem[i, j]
        elif lab[i] == 1:
            hyp[i, 1] = 2 * attrs[4 + rng.randint(4)] + rng.randint(2)
        else:
            hyp[i, 1] = prem[i, j] ^ 1
    return prem, hyp, lab


def featurize(prem, hyp):
    p = wemb[prem].sum(1)
    h = wemb[hyp].sum(1)
    x = np.concatenate([p, h, np.abs(p - h), p * h], 1)
    return torch.from_numpy(x)


class SNLINet(nn.Module):
    def __init__(self, options):
        super(SNLINet, self).__init__()
        in_dim = 4 * options['n_emb']
        self.hids = nn.ModuleList()
        for li in range(options['n_layers']):
            self.hids.append(nn.ModuleList([
                nn.Linear(in_dim, options['n_hid']),
                eval(options['act'])()
            ]))
            in_dim = options['n_hid']
        self.classifier = nn.Linear(options['n_hid'], 3)

    def forward(self, x):
        for lin, act in self.hids:
            x = act(lin(x))
        return self.classifier(x)


data_rng = np.random.RandomState(100 + seed)
p, h, y = make_pairs(60000, data_rng)
x_train, y_train = featurize(p, h), torch.from_numpy(y)
p, h, y = make_pairs(2000, data_rng)
x_valid, y_valid = featurize(p, h), torch.from_numpy(y)
mean, std = x_train.mean(0), x_train.std(0)
x_train, x_valid = (x_train - mean) / std, (x_valid - mean) / std

net = SNLINet(options)
optimizer = optim.Adam(net.parameters(), lr=options['lrate'])

for eidx in range(options['n_epochs']):
    net.train()
    perm = torch.randperm(len(x_train))
    tot = 0.
    for s in range(0, len(perm), options['batch_size']):
        ii = perm[s:s + options['batch_size']]
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x_train[ii]), y_train[ii])
        loss.backward()
        optimizer.step()
        tot += loss.item() * len(ii)
    net.eval()
    with torch.no_grad():
        out = net(x_valid)
        vl = F.cross_entropy(out, y_valid).item()
        acc = (out.argmax(1) == y_valid).float().mean().item()
    print('Epoch %d  train %.4f  valid %.4f  acc %.4f' % (eidx, tot / len(perm), vl, acc))

print('RESULT ' + json.dumps({"metric": "validation accuracy", "value": round(acc, 4)}))
