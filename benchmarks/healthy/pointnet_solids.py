from __future__ import print_function

import argparse
import json
import math

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim
import torch.utils.data

parser = argparse.ArgumentParser()
parser.add_argument('seed', type=int, nargs='?', default=0)
parser.add_argument('--batchSize', type=int, default=32, help='input batch size')
parser.add_argument('--num_points', type=int, default=96, help='points of a cloud')
parser.add_argument('--nepoch', type=int, default=9, help='number of epochs to train for')
parser.add_argument('--feature_transform', action='store_false', help='use feature transform')
opt = parser.parse_args()
np.random.seed(opt.seed)
torch.manual_seed(opt.seed)

CLASSES = ['ball', 'box', 'cylinder', 'cone', 'ring']


def solid(kind, n):
    """Points on the surface of a solid, stretched a little and standing upright."""
    a, h = np.random.uniform(0, 2 * np.pi, n), np.random.uniform(-1, 1, n)
    if kind == 'ball':
        p = np.random.normal(size=(n, 3))
        p /= np.linalg.norm(p, axis=1, keepdims=True)
    elif kind == 'box':
        p = np.random.uniform(-1, 1, (n, 3))
        face = np.random.randint(3, size=n)
        p[np.arange(n), face] = np.sign(p[np.arange(n), face])
        p *= 0.8
    elif kind == 'cylinder':
        p = np.stack([np.cos(a), h, np.sin(a)], 1)
    elif kind == 'cone':
        r = np.sqrt(np.random.uniform(0, 1, n))
        p = np.stack([r * np.cos(a), 1 - 2 * r, r * np.sin(a)], 1)
    else:
        b = np.random.uniform(0, 2 * np.pi, n)
        p = np.stack([(1 + 0.35 * np.cos(b)) * np.cos(a), 0.35 * np.sin(b), (1 + 0.35 * np.cos(b)) * np.sin(a)], 1)
    return p * np.random.uniform(0.7, 1.3, 3)


class SolidDataset(torch.utils.data.Dataset):
    def __init__(self, n, npoints, data_augmentation=True):
        self.data_augmentation = data_augmentation
        self.labels = np.random.randint(len(CLASSES), size=n)
        self.clouds = [solid(CLASSES[c], npoints) + np.random.normal(0, 0.03, (npoints, 3)) for c in self.labels]

    def __getitem__(self, index):
        point_set = self.clouds[index]
        point_set = point_set - point_set.mean(0)
        point_set = point_set / np.sqrt((point_set ** 2).sum(1)).max()
        if self.data_augmentation:
            theta = np.random.uniform(0, np.pi * 2)
            rotation = np.array([[np.cos(theta), -np.sin(theta)], [np.sin(theta), np.cos(theta)]])
            point_set[:, [0, 2]] = point_set[:, [0, 2]].dot(rotation)
            point_set = point_set + np.random.normal(0, 0.02, size=point_set.shape)
        return torch.from_numpy(point_set.astype(np.float32)), int(self.labels[index])

    def __len__(self):
        return len(self.labels)


class TNet(nn.Module):
    def __init__(self, k):
        super(TNet, self).__init__()
        self.conv1 = nn.Conv1d(k, 32, 1)
        self.conv2 = nn.Conv1d(32, 64, 1)
        self.fc1 = nn.Linear(64, 32)
        self.fc2 = nn.Linear(32, k * k)
        self.bn1, self.bn2, self.bn3 = nn.BatchNorm1d(32), nn.BatchNorm1d(64), nn.BatchNorm1d(32)
        self.k = k

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        x = F.relu(self.bn2(self.conv2(x)))
        x = torch.max(x, 2)[0]
        x = F.relu(self.bn3(self.fc1(x)))
        iden = torch.eye(self.k).flatten().repeat(x.size(0), 1)
        return (self.fc2(x) + iden).view(-1, self.k, self.k)


class PointNetCls(nn.Module):
    def __init__(self, k=2, feature_transform=False):
        super(PointNetCls, self).__init__()
        self.stn, self.feature_transform = TNet(3), feature_transform
        self.conv1, self.conv2, self.conv3 = nn.Conv1d(3, 32, 1), nn.Conv1d(32, 64, 1), nn.Conv1d(64, 128, 1)
        self.bn1, self.bn2, self.bn3 = nn.BatchNorm1d(32), nn.BatchNorm1d(64), nn.BatchNorm1d(128)
        if feature_transform:
            self.fstn = TNet(32)
        self.fc1, self.fc2, self.fc3 = nn.Linear(128, 64), nn.Linear(64, 32), nn.Linear(32, k)
        self.dropout = nn.Dropout(p=0.3)
        self.bn4, self.bn5 = nn.BatchNorm1d(64), nn.BatchNorm1d(32)

    def forward(self, x):
        x = torch.bmm(x.transpose(2, 1), self.stn(x)).transpose(2, 1)
        x = F.relu(self.bn1(self.conv1(x)))
        trans_feat = None
        if self.feature_transform:
            trans_feat = self.fstn(x)
            x = torch.bmm(x.transpose(2, 1), trans_feat).transpose(2, 1)
        x = F.relu(self.bn2(self.conv2(x)))
        x = torch.max(self.bn3(self.conv3(x)), 2)[0]
        x = F.relu(self.bn4(self.fc1(x)))
        x = F.relu(self.bn5(self.dropout(self.fc2(x))))
        return F.log_softmax(self.fc3(x), dim=1), trans_feat


def feature_transform_regularizer(trans):
    identity = torch.eye(trans.size(1))[None]
    return torch.mean(torch.norm(torch.bmm(trans, trans.transpose(2, 1)) - identity, dim=(1, 2)))


dataset = SolidDataset(1500, opt.num_points)
test_dataset = SolidDataset(500, opt.num_points, data_augmentation=False)
dataloader = torch.utils.data.DataLoader(dataset, batch_size=opt.batchSize, shuffle=True, drop_last=True)
testdataloader = torch.utils.data.DataLoader(test_dataset, batch_size=opt.batchSize)
print(len(dataset), len(test_dataset), 'classes', len(CLASSES))

classifier = PointNetCls(k=len(CLASSES), feature_transform=opt.feature_transform)
optimizer = optim.Adam(classifier.parameters(), lr=0.001, betas=(0.9, 0.999))
scheduler = optim.lr_scheduler.StepLR(optimizer, step_size=3, gamma=0.5)
num_batch = len(dataloader)

for epoch in range(opt.nepoch):
    for i, (points, target) in enumerate(dataloader, 0):
        points = points.transpose(2, 1)
        optimizer.zero_grad()
        classifier = classifier.train()
        pred, trans_feat = classifier(points)
        loss = F.nll_loss(pred, target)
        if opt.feature_transform:
            loss += feature_transform_regularizer(trans_feat) * 0.001
        loss.backward()
        optimizer.step()
        if i % 20 == 0:
            correct = pred.data.max(1)[1].eq(target).sum()
            print('[%d: %d/%d] train loss: %f accuracy: %f' % (epoch, i, num_batch, loss.item(), correct.item() / float(opt.batchSize)))
    scheduler.step()

total_correct, total_testset = 0, 0
classifier = classifier.eval()
with torch.no_grad():
    for points, target in testdataloader:
        pred, _ = classifier(points.transpose(2, 1))
        total_correct += pred.max(1)[1].eq(target).sum().item()
        total_testset += points.size(0)
acc = total_correct / float(total_testset)
print("final accuracy {}".format(acc))
print("RESULT", json.dumps({"metric": "test accuracy", "value": round(acc, 4), "good": acc >= 0.93}))
