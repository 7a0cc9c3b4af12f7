import contextlib
import json
import math
import sys
from copy import deepcopy

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch.amp import GradScaler, autocast
from torch.optim.lr_scheduler import LambdaLR
from torch.utils.data import DataLoader, Dataset, RandomSampler


class args:
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    num_classes = 10
    num_train_iter = 600
    num_eval_iter = 100
    batch_size = 32
    uratio = 2
    lr = 0.03
    momentum = 0.9
    weight_decay = 5e-4
    ema_m = 0.98
    ulb_loss_ratio = 1.0
    unsup_warmup_pos = 0.4
    p_cutoff = 0.95
    amp = True
    clip = 1.0


torch.manual_seed(args.seed)
np.random.seed(args.seed)
torch.set_num_threads(1)


class BasicDataset(Dataset):
    def __init__(self, x, y=None, train=True):
        self.x, self.y, self.train = x, y, train

    def __len__(self):
        return len(self.x)

    def __getitem__(self, i):
        img = self.x[i]
        if self.train:  # weak augmentation: shift by at most one pixel
            dx, dy = np.random.randint(-1, 2, 2)
            img = torch.roll(img, (int(dx), int(dy)), dims=(1, 2))
        if self.y is None:
            return i, img
        return i, img, self.y[i]


def get_data():
    X, Y = load_digits(return_X_y=True)
    X = ((X / 16.0 - 0.3053) / 0.3762).astype(np.float32).reshape(-1, 1, 8, 8)
    Xtr, Xte, Ytr, Yte = train_test_split(X, Y, test_size=400, stratify=Y, random_state=args.seed)
    Xlb, Xulb, Ylb, _ = train_test_split(Xtr, Ytr, train_size=600, stratify=Ytr, random_state=args.seed)
    t = lambda a: torch.as_tensor(a)
    return (BasicDataset(t(Xlb), t(Ylb)), BasicDataset(t(Xulb)), BasicDataset(t(Xte), t(Yte), train=False))


def net_builder(num_classes):
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.LeakyReLU(0.1),
        nn.Conv2d(16, 32, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(32), nn.LeakyReLU(0.1),
        nn.Conv2d(32, 64, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(64), nn.LeakyReLU(0.1),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, num_classes))


class EMA:
    def __init__(self, model, decay):
        self.model, self.decay, self.shadow, self.backup = model, decay, {}, {}

    def register(self):
        for name, param in self.model.named_parameters():
            self.shadow[name] = param.data.clone()

    def update(self):
        for name, param in self.model.named_parameters():
            self.shadow[name] = (1.0 - self.decay) * param.data + self.decay * self.shadow[name]

    def apply_shadow(self):
        for name, param in self.model.named_parameters():
            self.backup[name] = param.data
            param.data = self.shadow[name]

    def restore(self):
        for name, param in self.model.named_parameters():
            param.data = self.backup[name]
        self.backup = {}


class Bn_Controller:
    """freeze_bn / unfreeze_bn: keep the BN statistics of the labelled data"""

    def freeze_bn(self, model):
        self.backup = {n: m.clone() for n, m in model.named_buffers()}

    def unfreeze_bn(self, model):
        for n, m in model.named_buffers():
            m.data = self.backup[n].clone()


def consistency_loss(logits_w, p_cutoff):
    pseudo_label = torch.softmax(logits_w.detach().float(), dim=-1)
    max_probs, max_idx = torch.max(pseudo_label, dim=-1)
    mask = max_probs.ge(p_cutoff).float()
    return (F.cross_entropy(logits_w, max_idx, reduction='none') * mask).mean()


def get_SGD(net, lr, momentum, weight_decay):
    decay = [p for p in net.parameters() if p.dim() > 1]
    no_decay = [p for p in net.parameters() if p.dim() <= 1]
    return torch.optim.SGD([{'params': decay}, {'params': no_decay, 'weight_decay': 0.0}],
                           lr=lr, momentum=momentum, weight_decay=weight_decay, nesterov=True)


def get_cosine_schedule(optimizer, num_training_steps, num_cycles=7. / 16.):
    return LambdaLR(optimizer, lambda s: max(0.0, math.cos(math.pi * num_cycles * s / num_training_steps)))


class PseudoLabel:
    def __init__(self, net_builder, num_classes, lambda_u, ema_m):
        self.model = net_builder(num_classes=num_classes)
        self.lambda_u, self.ema_m, self.it = lambda_u, ema_m, 0
        self.bn_controller = Bn_Controller()

    def train(self, args, loader_dict):
        self.loader_dict = loader_dict
        self.model.train()
        self.ema = EMA(self.model, self.ema_m)
        self.ema.register()
        best_eval_acc, best_it = 0.0, 0

        scaler = GradScaler('cpu')
        amp_cm = (lambda: autocast('cpu', dtype=torch.bfloat16)) if args.amp else contextlib.nullcontext

        for (_, x_lb, y_lb), (x_ulb_idx, x_ulb_w) in zip(loader_dict['train_lb'], loader_dict['train_ulb']):
            if self.it > args.num_train_iter:
                break
            unsup_warmup = np.clip(self.it / (args.unsup_warmup_pos * args.num_train_iter), a_min=0.0, a_max=1.0)

            # inference and calculate sup/unsup losses
            with amp_cm():
                logits_x_lb = self.model(x_lb)
                self.bn_controller.freeze_bn(self.model)
                logits_x_ulb_w = self.model(x_ulb_w)
                self.bn_controller.unfreeze_bn(self.model)

                sup_loss = F.cross_entropy(logits_x_lb.float(), y_lb)
                unsup_loss = consistency_loss(logits_x_ulb_w.float(), args.p_cutoff)
                total_loss = sup_loss + self.lambda_u * unsup_loss * float(unsup_warmup)

            # parameter updates
            if args.amp:
                scaler.scale(total_loss).backward()
                if (args.clip > 0):
                    torch.nn.utils.clip_grad_norm_(self.model.parameters(), args.clip)
                scaler.step(self.optimizer)
                scaler.update()
            else:
                total_loss.backward()
                if (args.clip > 0):
                    torch.nn.utils.clip_grad_norm_(self.model.parameters(), args.clip)
                self.optimizer.step()

            self.scheduler.step()
            self.ema.update()
            self.model.zero_grad()

            if self.it % args.num_eval_iter == 0:
                eval_dict = self.evaluate()
                if eval_dict['eval/top-1-acc'] > best_eval_acc:
                    best_eval_acc, best_it = eval_dict['eval/top-1-acc'], self.it
                print(f"{self.it} iteration, sup_loss {sup_loss.item():.4f} unsup_loss {unsup_loss.item():.4f} "
                      f"lr {self.optimizer.param_groups[0]['lr']:.4f} {eval_dict} BEST_EVAL_ACC: {best_eval_acc:.4f}")
            self.it += 1
        return self.evaluate()

    @torch.no_grad()
    def evaluate(self):
        self.model.eval()
        self.ema.apply_shadow()
        total_loss, total_num, hit = 0.0, 0, 0
        for _, x, y in self.loader_dict['eval']:
            logits = self.model(x)
            total_loss += F.cross_entropy(logits, y, reduction='sum').item()
            hit += (logits.argmax(-1) == y).sum().item()
            total_num += len(y)
        self.ema.restore()
        self.model.train()
        return {'eval/loss': round(total_loss / total_num, 4), 'eval/top-1-acc': hit / total_num}


lb, ulb, ev = get_data()
n = args.num_train_iter + 1
loaders = {
    'train_lb': DataLoader(lb, args.batch_size, sampler=RandomSampler(lb, True, n * args.batch_size)),
    'train_ulb': DataLoader(ulb, args.batch_size * args.uratio,
                            sampler=RandomSampler(ulb, True, n * args.batch_size * args.uratio)),
    'eval': DataLoader(ev, 200),
}
model = PseudoLabel(net_builder, args.num_classes, args.ulb_loss_ratio, args.ema_m)
model.optimizer = get_SGD(model.model, args.lr, args.momentum, args.weight_decay)
model.scheduler = get_cosine_schedule(model.optimizer, args.num_train_iter)
final = model.train(args, loaders)
print("RESULT " + json.dumps({"metric": "test accuracy", "value": final['eval/top-1-acc']}))
