import argparse
import json
import random

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.optim.lr_scheduler import StepLR

parser = argparse.ArgumentParser(description="One Shot Visual Recognition")
parser.add_argument("seed", type=int, nargs="?", default=0)
parser.add_argument("-s", "--sample_num_per_class", type=int, default=5)
parser.add_argument("-b", "--batch_num_per_class", type=int, default=5)
parser.add_argument("-e", "--episode", type=int, default=300)
parser.add_argument("-l", "--learning_rate", type=float, default=0.001)
args = parser.parse_args()

SAMPLE_NUM_PER_CLASS = args.sample_num_per_class
BATCH_NUM_PER_CLASS = args.batch_num_per_class
SIZE = 32

torch.set_num_threads(1)
torch.manual_seed(args.seed)
np.random.seed(args.seed)
random.seed(args.seed)


def draw(cls, rng):
    """One 8-bit RGB picture with an object of class `cls` on clutter, and its 8-bit mask."""
    yy, xx = np.mgrid[0:SIZE, 0:SIZE]
    image = rng.integers(60, 150, (SIZE, SIZE, 3)).astype(np.float32)

    def blob(kind):
        cy, cx, r = rng.uniform(9, SIZE - 9), rng.uniform(9, SIZE - 9), rng.uniform(5, 8)
        dy, dx = yy - cy, xx - cx
        if kind == 0:
            return dy ** 2 + dx ** 2 < r ** 2
        if kind == 1:
            return (abs(dy) < r * 0.85) & (abs(dx) < r * 0.85)
        return (abs(dy) + abs(dx)) < r * 1.2
    colours = np.array([[230, 40, 40], [40, 220, 60], [50, 60, 235], [230, 220, 50], [210, 60, 220], [60, 220, 220]])
    grey = rng.uniform(170, 240)
    m2 = blob(rng.integers(3))
    image[m2] = grey + rng.normal(0, 15, (m2.sum(), 3))
    mask = blob(cls // 6)
    image[mask] = colours[cls % 6] + rng.normal(0, 15, (mask.sum(), 3))
    return np.clip(image, 0, 255).astype(np.uint8), (mask * 255).astype(np.uint8)


class Bank:
    def __init__(self, classes, n, seed):
        rng = np.random.default_rng(seed)
        self.data = {c: [draw(c, rng) for _ in range(n)] for c in classes}


def get_oneshot_batch(bank):
    cls = random.choice(list(bank.data))
    support_images = np.zeros((SAMPLE_NUM_PER_CLASS, 3, SIZE, SIZE), dtype=np.float32)
    support_labels = np.zeros((SAMPLE_NUM_PER_CLASS, 1, SIZE, SIZE), dtype=np.float32)
    query_images = np.zeros((BATCH_NUM_PER_CLASS, 3, SIZE, SIZE), dtype=np.float32)
    query_labels = np.zeros((BATCH_NUM_PER_CLASS, 1, SIZE, SIZE), dtype=np.float32)
    zeros = np.zeros((BATCH_NUM_PER_CLASS, 1, SIZE, SIZE), dtype=np.float32)
    chosen = random.sample(bank.data[cls], SAMPLE_NUM_PER_CLASS + BATCH_NUM_PER_CLASS)
    for j, (image, label) in enumerate(chosen):
        image = image / 255.0
        image = np.transpose(image, (2, 0, 1))
        if j < SAMPLE_NUM_PER_CLASS:
            support_images[j] = image
            support_labels[j][0] = label
        else:
            query_images[j - SAMPLE_NUM_PER_CLASS] = image
            query_labels[j - SAMPLE_NUM_PER_CLASS][0] = label
    support = torch.cat((torch.from_numpy(support_images), torch.from_numpy(support_labels)), dim=1)
    query = torch.cat((torch.from_numpy(query_images), torch.from_numpy(zeros)), dim=1)
    return support, query, torch.from_numpy(query_labels)


def conv_bn(i, o):
    return [nn.Conv2d(i, o, kernel_size=3, padding=1), nn.BatchNorm2d(o), nn.ReLU()]


class CNNEncoder(nn.Module):
    def __init__(self):
        super(CNNEncoder, self).__init__()
        self.layer1 = nn.Sequential(*conv_bn(4, 16))
        self.layer2 = nn.Sequential(nn.MaxPool2d(2), *conv_bn(16, 32))
        self.layer3 = nn.Sequential(nn.MaxPool2d(2), *conv_bn(32, 32))

    def forward(self, x):
        a = self.layer1(x)
        b = self.layer2(a)
        return self.layer3(b), [a, b]


class RelationNetwork(nn.Module):
    def __init__(self):
        super(RelationNetwork, self).__init__()
        self.layer1 = nn.Sequential(*conv_bn(64, 32))
        self.upsample = nn.Upsample(scale_factor=2, mode='bilinear', align_corners=True)
        self.double_conv1 = nn.Sequential(*conv_bn(64, 32))
        self.double_conv2 = nn.Sequential(*conv_bn(48, 16), nn.Conv2d(16, 1, kernel_size=1))

    def forward(self, x, feats):
        out = self.upsample(self.layer1(x))
        out = self.double_conv1(torch.cat((out, feats[1]), dim=1))
        out = self.upsample(out)
        out = self.double_conv2(torch.cat((out, feats[0]), dim=1))
        return torch.sigmoid(out)


def segment(feature_encoder, relation_network, samples, batches):
    sample_features, _ = feature_encoder(samples)
    sample_features = sample_features.mean(0, keepdim=True)
    batch_features, ft_list = feature_encoder(batches)
    relation_pairs = torch.cat((sample_features.expand_as(batch_features), batch_features), 1)
    return relation_network(relation_pairs, ft_list)


def main():
    print("init neural networks")
    feature_encoder = CNNEncoder()
    relation_network = RelationNetwork()
    encoder_optim = torch.optim.Adam(feature_encoder.parameters(), lr=args.learning_rate)
    encoder_scheduler = StepLR(encoder_optim, step_size=args.episode // 2, gamma=0.5)
    relation_optim = torch.optim.Adam(relation_network.parameters(), lr=args.learning_rate)
    relation_scheduler = StepLR(relation_optim, step_size=args.episode // 2, gamma=0.5)
    bank = Bank(range(18), 40, args.seed)
    test_bank = Bank(range(18), 20, 1000 + args.seed)
    mse = nn.MSELoss()

    print("Training...")
    for episode in range(args.episode):
        samples, batches, batch_labels = get_oneshot_batch(bank)
        output = segment(feature_encoder, relation_network, samples, batches)
        loss = mse(output, batch_labels)
        feature_encoder.zero_grad()
        relation_network.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(feature_encoder.parameters(), 0.5)
        torch.nn.utils.clip_grad_norm_(relation_network.parameters(), 0.5)
        encoder_optim.step()
        relation_optim.step()
        encoder_scheduler.step()
        relation_scheduler.step()
        if (episode + 1) % 50 == 0:
            print("episode:", episode + 1, "loss", float(loss))

    feature_encoder.eval()
    relation_network.eval()
    inter = union = 0
    with torch.no_grad():
        for _ in range(100):
            samples, batches, batch_labels = get_oneshot_batch(test_bank)
            pred = segment(feature_encoder, relation_network, samples, batches) > 0.5
            truth = batch_labels > 0
            inter += (pred & truth).sum().item()
            union += (pred | truth).sum().item()
    iou = inter / max(union, 1)
    print("mean IoU", iou)
    print("RESULT " + json.dumps({"metric": "test_iou", "value": iou}))


if __name__ == '__main__':
    main()
