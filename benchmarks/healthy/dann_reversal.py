"""Domain-adversarial training (DANN): a gradient reversal layer makes features that carry over to an unlabelled domain."""
import json
import math
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0


class Reverse(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, strength):
        ctx.strength = strength
        return x.view_as(x)

    @staticmethod
    def backward(ctx, grad):
        return -ctx.strength * grad, None


world = torch.Generator().manual_seed(31)
CLASSES, CONTENT, STYLE, DIM = 5, 4, 1, 12
anchors = 1.7 * torch.randn(CLASSES, CONTENT, generator=world)
codes = 0.65 * torch.randn(CLASSES, STYLE, generator=world)
mixing = torch.linalg.qr(torch.randn(DIM, CONTENT + STYLE, generator=world))[0].T


def domain(n, shift, tied, g):
    """Content is shared. Style sits elsewhere in each domain and goes with the class in the source only."""
    y = torch.randint(0, CLASSES, (n,), generator=g)
    content = anchors[y] + 0.85 * torch.randn(n, CONTENT, generator=g)
    which = y if tied else torch.randint(0, CLASSES, (n,), generator=g)
    style = shift + codes[which] + 0.6 * torch.randn(n, STYLE, generator=g)
    x = torch.cat([content, style], 1) @ mixing + 0.1 * torch.randn(n, DIM, generator=g)
    content_rule = (torch.cdist(content, anchors).argmin(1) == y).float().mean().item()
    return x, y, content_rule


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.Linear(DIM, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU())
        self.label = nn.Linear(32, CLASSES)
        self.domain = nn.Sequential(nn.Linear(32, 64), nn.ReLU(), nn.Linear(64, 1))

    def forward(self, x, strength=0.0):
        f = self.features(x)
        return self.label(f), self.domain(Reverse.apply(f, strength)).squeeze(1)


def accuracy(net, x, y):
    net.eval()
    with torch.no_grad():
        return (net(x)[0].argmax(1) == y).float().mean().item()


def fit(xs, ys, xt, adapt, epochs=28, batch=128):
    torch.manual_seed(seed)
    net = Net()
    opt = torch.optim.Adam(net.parameters(), lr=1e-3)
    per_epoch = len(xs) // batch
    sched = torch.optim.lr_scheduler.CosineAnnealingLR(opt, epochs * per_epoch)
    for epoch in range(epochs):
        net.train()
        strength = 2 / (1 + math.exp(-6 * epoch / epochs)) - 1          # the usual ramp from 0 to 1
        ps, pt = torch.randperm(len(xs)), torch.randperm(len(xt))
        lsum = dsum = 0.0
        for i in range(per_epoch):
            a, b = ps[i * batch:(i + 1) * batch], pt[i * batch:(i + 1) * batch]
            out_s, dom_s = net(xs[a], strength)
            loss_label = F.cross_entropy(out_s, ys[a])
            loss = loss_label
            if adapt:
                _, dom_t = net(xt[b], strength)
                logits = torch.cat([dom_s, dom_t])
                truth = torch.cat([torch.zeros(batch), torch.ones(batch)])
                loss_dom = F.binary_cross_entropy_with_logits(logits, truth)
                loss = loss + loss_dom
                dsum += loss_dom.item()
            opt.zero_grad()
            loss.backward()
            opt.step()
            sched.step()
            lsum += loss_label.item()
        if epoch % 4 == 3 and adapt:
            print(f"epoch {epoch + 1:2d}  strength {strength:.2f}  label loss {lsum / per_epoch:.4f}  domain loss {dsum / per_epoch:.4f}")
    return net


g = torch.Generator().manual_seed(seed + 11)
xs, ys, _ = domain(4000, -1.5, True, g)
xt, _, _ = domain(4000, 1.5, False, g)           # target labels are never used for training
xst, yst, _ = domain(2000, -1.5, True, g)
xtt, ytt, ceiling = domain(2000, 1.5, False, g)
mean, std = xs.mean(0), xs.std(0)
xs, xt, xst, xtt = [(a - mean) / std for a in (xs, xt, xst, xtt)]

plain = accuracy(fit(xs, ys, xt, adapt=False), xtt, ytt)
net = fit(xs, ys, xt, adapt=True)
src, tgt = accuracy(net, xst, yst), accuracy(net, xtt, ytt)
print(f"target accuracy: source only {plain:.4f}, adapted {tgt:.4f}; content rule {ceiling:.4f}; source accuracy {src:.4f} (domain loss at chance: {math.log(2):.4f})")
print("RESULT", json.dumps({"target_accuracy": round(tgt, 4), "good": tgt > plain + 0.03 and tgt > ceiling - 0.04}))
