"""Action-chunking policy for a planar pushing task (behaviour cloning from scripted demonstrations)."""
import json
import sys

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

CHUNK = 8
WORKSPACE = 512.0


def scripted_demo(rng, length=40):
    """agent walks behind the block, then pushes it to the centre; positions are in pixels"""
    agent = rng.uniform(40, 470, 2)
    block = rng.uniform(100, 410, 2)
    goal = np.array([256.0, 256.0])
    states, actions = [], []
    for t in range(length):
        d = goal - block
        dist = np.linalg.norm(d) + 1e-6
        behind = block - d / dist * 45.0
        target = behind if np.linalg.norm(behind - agent) > 12 else block + d / dist * 10
        step = target - agent
        n = np.linalg.norm(step) + 1e-6
        action = agent + step / n * min(n, 18.0)
        states.append(np.concatenate([agent, block]))
        actions.append(action)
        new_agent = action + rng.normal(0, 0.5, 2)
        if np.linalg.norm(new_agent - block) < 40:
            block = block + (new_agent - agent) * 0.7
        agent = new_agent
    return np.array(states), np.array(actions)


def make_dataset(rng, n_demo):
    obs, act = [], []
    for _ in range(n_demo):
        s, a = scripted_demo(rng)
        for t in range(len(s) - CHUNK):
            obs.append(s[t])
            act.append(a[t:t + CHUNK])
    return {"observation.state": torch.tensor(np.array(obs), dtype=torch.float32),
            "action": torch.tensor(np.array(act), dtype=torch.float32)}


class Normalize(nn.Module):
    def __init__(self, keys, stats):
        super().__init__()
        self.keys, self.stats = keys, stats

    def forward(self, batch):
        batch = dict(batch)
        for k in self.keys:
            batch[k] = (batch[k] - self.stats[k]["mean"]) / (self.stats[k]["std"] + 1e-8)
        return batch


class Unnormalize(Normalize):
    def forward(self, batch):
        batch = dict(batch)
        for k in self.keys:
            batch[k] = batch[k] * (self.stats[k]["std"] + 1e-8) + self.stats[k]["mean"]
        return batch


class ACTPolicy(nn.Module):
    def __init__(self, stats, state_dim=4, action_dim=2, d_model=64):
        super().__init__()
        self.normalize_inputs = Normalize(["observation.state"], stats)
        self.unnormalize_outputs = Unnormalize(["action"], stats)
        self.state_proj = nn.Sequential(nn.Linear(state_dim, d_model), nn.ReLU(), nn.Linear(d_model, d_model))
        self.pos = nn.Parameter(torch.randn(CHUNK, d_model) * 0.1)
        layer = nn.TransformerEncoderLayer(d_model, 4, 128, dropout=0.0, batch_first=True, norm_first=True)
        self.decoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.action_head = nn.Linear(d_model, action_dim)

    def _model(self, state):
        h = self.state_proj(state).unsqueeze(1) + self.pos
        return self.action_head(self.decoder(h))

    def forward(self, batch):
        batch = self.normalize_inputs(batch)
        actions_hat = self._model(batch["observation.state"])
        l1_loss = F.l1_loss(actions_hat, batch["action"])
        return {"loss": l1_loss}

    @torch.no_grad()
    def select_action(self, batch):
        batch = self.normalize_inputs(batch)
        return self.unnormalize_outputs({"action": self._model(batch["observation.state"])})["action"]


def main(seed):
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    rng = np.random.RandomState(seed)
    train, val = make_dataset(rng, 200), make_dataset(rng, 40)
    stats = {"observation.state": {"mean": train["observation.state"].mean(0), "std": train["observation.state"].std(0)},
             "action": {"mean": train["action"].mean((0, 1)), "std": train["action"].std((0, 1))}}
    policy = ACTPolicy(stats)
    optimizer = torch.optim.AdamW(policy.parameters(), lr=5e-4, weight_decay=1e-4)
    n, batch_size, steps = len(train["action"]), 64, 1000
    sched = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    policy.train()
    for step in range(steps):
        idx = torch.randint(0, n, (batch_size,))
        loss = policy({k: v[idx] for k, v in train.items()})["loss"]
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(policy.parameters(), 10.0)
        optimizer.step()
        sched.step()
        if step % 100 == 0:
            print(f"step: {step} loss: {loss.item():.3f} lr: {sched.get_last_lr()[0]:.1e}")
    policy.eval()
    err = (policy.select_action(val) - val["action"]).norm(dim=-1).mean().item()
    print(f"mean distance of the predicted to the demonstrated way points: {err:.2f} px")
    print("RESULT " + json.dumps({"metric": "validation action error, pixels", "value": round(err, 4)}))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
