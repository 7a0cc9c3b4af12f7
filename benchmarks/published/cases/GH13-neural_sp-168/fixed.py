#! /usr/bin/env python
# -*- coding: utf-8 -*-

"""Train the small ASR model (frame encoder + word classifier)."""

import argparse
import json
import sys

import numpy as np
import torch
import torch.nn as nn

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0

args = argparse.Namespace(
    n_words=20, n_mels=12, xlen=20, enc_n_units=48, batch_size=16, accum_grad_n_steps=8,
    n_epochs=4, lr=0.3, momentum=0.9, clip_grad_norm=5.0)

np.random.seed(seed)
torch.manual_seed(seed)


def synth_utterances(n, rng):
    proto_rng = np.random.RandomState(99)
    starts = proto_rng.randn(args.n_words, args.n_mels)
    ends = proto_rng.randn(args.n_words, args.n_mels)
    # pairs of words share their sounds and differ in the order of them only
    ends[1::2], starts[1::2] = starts[::2], ends[::2]
    ys = rng.randint(0, args.n_words, n)
    xs = np.zeros((n, args.xlen, args.n_mels), dtype=np.float32)
    for i, y in enumerate(ys):
        turn = rng.randint(7, 14)
        w = np.clip((np.arange(args.xlen) - turn + 3) / 6., 0, 1)[:, None]
        xs[i] = (1 - w) * starts[y] + w * ends[y]
    xs += rng.randn(*xs.shape) * 2.8
    return torch.tensor(xs / 3.0), torch.tensor(ys)


class Speech2Text(nn.Module):
    def __init__(self, args):
        super().__init__()
        self.enc = nn.GRU(args.n_mels, args.enc_n_units, batch_first=True)
        self.output = nn.Linear(args.enc_n_units, args.n_words)

    def forward(self, xs, ys):
        eouts, _ = self.enc(xs)
        logits = self.output(eouts[:, -1])
        loss = nn.functional.cross_entropy(logits, ys)
        acc = (logits.argmax(1) == ys).float().mean().item()
        return loss, {'loss': loss.item(), 'acc': acc}


def train(model, train_set, dev_set, optimizer, scheduler, args):
    xs, ys = train_set
    accum_n_steps = 0
    n_steps = 0
    for ep in range(args.n_epochs):
        model.train()
        perm = torch.randperm(len(xs))
        losses = []
        for s in range(0, len(perm), args.batch_size):
            idx = perm[s:s + args.batch_size]
            accum_n_steps += 1

            if accum_n_steps == 1:
                optimizer.zero_grad()
            loss, observation = model(xs[idx], ys[idx])
            loss = loss / args.accum_grad_n_steps
            loss.backward()
            if accum_n_steps >= args.accum_grad_n_steps:
                if args.clip_grad_norm > 0:
                    torch.nn.utils.clip_grad_norm_(model.parameters(), args.clip_grad_norm)
                optimizer.step()
                accum_n_steps = 0
                n_steps += 1
            losses.append(observation['loss'])
        scheduler.step()
        dev_loss, dev_acc = evaluate(model, dev_set)
        print('epoch:%d step:%d loss:%.3f dev loss:%.3f dev acc:%.3f lr:%.4f' % (
            ep + 1, n_steps, np.mean(losses), dev_loss, dev_acc, optimizer.param_groups[0]['lr']))
    return dev_acc


def evaluate(model, dev_set):
    model.eval()
    with torch.no_grad():
        loss, observation = model(*dev_set)
    return observation['loss'], observation['acc']


rng = np.random.RandomState(seed + 60)
train_set = synth_utterances(15000, rng)
dev_set = synth_utterances(1500, rng)
model = Speech2Text(args)
optimizer = torch.optim.SGD(model.parameters(), lr=args.lr, momentum=args.momentum)
scheduler = torch.optim.lr_scheduler.MultiStepLR(optimizer, milestones=[2, 3], gamma=0.3)
acc = train(model, train_set, dev_set, optimizer, scheduler, args)
print('RESULT ' + json.dumps({'metric': 'dev word accuracy', 'value': round(acc, 4)}))
