"""Simple tabular pipeline: an MLP predictor trained on one split and scored on the other."""
import sys
import json
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import TensorDataset, DataLoader
from sklearn.datasets import make_gaussian_quantiles
from sklearn.preprocessing import StandardScaler

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
np.random.seed(seed)
torch.set_num_threads(1)


class ModelFactory:
    registry = {}

    @classmethod
    def register(cls, name):
        def wrap(model_cls):
            cls.registry[name] = model_cls
            return model_cls
        return wrap

    @classmethod
    def get_model(cls, name, **kwargs):
        return cls.registry[name](**kwargs)


@ModelFactory.register('mlp')
class mlp(nn.Module):
    '''
        A simple multi layer perceptron with dropout
    '''
    def __init__(self, include_label: int, hidden_dim_list, num_classes: int = 2, dropout: float = 0.3):
        super().__init__()
        self.hidden_dim_list = list(hidden_dim_list)

        # If zero, we don't append anything to the input. If non-zero, we append
        # an include_label dimensional one-hot vector to the input.
        self.include_label = include_label
        if self.include_label > 0:
            self.hidden_dim_list[0] += self.include_label
        self.dropout = dropout

        modules = []
        for i in range(len(self.hidden_dim_list)):
            if i != 0:
                modules.append(nn.Dropout(self.dropout))

            if i != len(self.hidden_dim_list) - 1:
                modules.append(nn.Linear(self.hidden_dim_list[i], self.hidden_dim_list[i + 1]))
                modules.append(nn.ReLU())
            else:
                # Final layer
                modules.append(nn.Linear(self.hidden_dim_list[i], num_classes))

        self.seq = nn.Sequential(*modules)

    def forward(self, x, y=None):
        if self.include_label:
            x = torch.cat([x, F.one_hot(y, num_classes=self.include_label).float()], dim=1)
        return self.seq(x)


def load_table(n=8000, d=12):
    """assay read-outs: the label depends on how far a sample sits from the bulk, and on a pair of markers"""
    X, y = make_gaussian_quantiles(n_samples=n, n_features=5, n_classes=2, random_state=seed)
    rng = np.random.RandomState(seed + 1)
    noise = rng.normal(size=(n, d - 5))
    y = np.where(noise[:, 0] * noise[:, 1] > 2.5, 1 - y, y)
    mix = np.linalg.qr(rng.normal(size=(d, d)))[0]
    X = np.concatenate([X, noise], 1) @ mix
    order = rng.permutation(n)
    X, y = X[order], y[order]
    cut = int(n * 0.75)
    sc = StandardScaler().fit(X[:cut])
    mk = lambda a, b: TensorDataset(torch.tensor(sc.transform(X[a:b]), dtype=torch.float32), torch.tensor(y[a:b]))
    return mk(0, cut), mk(cut, n)


def train_predictor(model, train_set, test_set, num_epochs=24, batch_size=64):
    opt = torch.optim.Adam(model.parameters(), lr=1e-3, weight_decay=1e-5)
    loader = DataLoader(train_set, batch_size=batch_size, shuffle=True)
    for ep in range(num_epochs):
        model.train()
        losses, hits = [], 0
        for x, y in loader:
            out = model(x)
            loss = F.cross_entropy(out, y)
            opt.zero_grad()
            loss.backward()
            opt.step()
            losses.append(loss.item())
            hits += (out.argmax(1) == y).sum().item()
        if ep % 4 == 0 or ep == num_epochs - 1:
            print(f'| epoch {ep:3d} | train loss {np.mean(losses):.4f} | train acc {hits / len(train_set):.4f} '
                  f'| test acc {test(model, test_set):.4f}')


@torch.no_grad()
def test(model, dataset):
    model.eval()
    x, y = dataset.tensors
    return (model(x).argmax(1) == y).float().mean().item()


if __name__ == '__main__':
    train_set, test_set = load_table()
    model = ModelFactory.get_model('mlp', include_label=0, hidden_dim_list=[12, 128, 128, 128], num_classes=2, dropout=0.05)
    train_predictor(model, train_set, test_set)
    print('RESULT ' + json.dumps({"metric": "test_accuracy", "value": round(test(model, test_set), 4)}))
