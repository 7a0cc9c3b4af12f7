import json
import random
import sys

import numpy as np
import torch
import torch.nn as nn
from sklearn.datasets import make_moons


class Options:
    nz = 4
    niter = 250
    Gsteps = 3
    Dsteps = 3
    lr_g = 1e-3
    lr_d = 1e-3
    beta1 = 0.5
    lambda_grad = 1.0
    alpha = 1.0
    batch = 128


def mlp(n_in, n_out):
    return nn.Sequential(nn.Linear(n_in, 64), nn.LeakyReLU(0.2),
                         nn.Linear(64, 64), nn.LeakyReLU(0.2), nn.Linear(64, n_out))


def calc_gradient_penalty(netD, real, fake, lam):
    a = torch.rand(len(real), 1)
    inter = (a * real + (1 - a) * fake).requires_grad_(True)
    grads = torch.autograd.grad(netD(inter).sum(), inter, create_graph=True)[0]
    return lam * ((grads.norm(2, dim=1) - 1) ** 2).mean()


def energy_distance(a, b):
    return (2 * torch.cdist(a, b).mean() - torch.cdist(a, a).mean() - torch.cdist(b, b).mean()).item()


def train(opt, data):
    netG, netD = mlp(opt.nz, 2), mlp(2, 1)
    optimizerD = torch.optim.Adam(netD.parameters(), lr=opt.lr_d, betas=(opt.beta1, 0.999))
    optimizerG = torch.optim.Adam(netG.parameters(), lr=opt.lr_g, betas=(opt.beta1, 0.999))
    # fixed noise that has to reproduce a few given samples
    z_opt = torch.randn(8, opt.nz)
    anchor = data[:8]
    mse = nn.MSELoss()

    for epoch in range(opt.niter):
        for j in range(opt.Dsteps):
            netD.zero_grad()
            real = data[torch.randint(len(data), (opt.batch,))]
            errD_real = -netD(real).mean()
            noise = torch.randn(opt.batch, opt.nz)
            fake = netG(noise)
            errD_fake = netD(fake.detach()).mean()
            gp = calc_gradient_penalty(netD, real, fake.detach(), opt.lambda_grad)
            errD = errD_real + errD_fake + gp
            errD.backward()
            optimizerD.step()

        for j in range(opt.Gsteps):
            netG.zero_grad()
            fake = netG(torch.randn(opt.batch, opt.nz))
            output = netD(fake)
            errG = -output.mean()
            rec_loss = opt.alpha * mse(netG(z_opt), anchor)
            (errG + rec_loss).backward()
            optimizerG.step()

        if epoch % 50 == 0:
            print(f"[{epoch}/{opt.niter}] errD {errD.item():.3f} errG {errG.item():.3f} rec {rec_loss.item():.4f}")
    return netG


if __name__ == "__main__":
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    opt = Options()
    X, _ = make_moons(4000, noise=0.05, random_state=seed)
    X = torch.tensor((X - X.mean(0)) / X.std(0), dtype=torch.float32)
    netG = train(opt, X[:3000])
    with torch.no_grad():
        samples = netG(torch.randn(1000, opt.nz))
    print("RESULT " + json.dumps({"energy_distance": energy_distance(samples, X[3000:])}))
