import sys
import json
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
np.random.seed(seed)
torch.manual_seed(seed)


class Config:
    n_prompts = 6
    vocab = 10
    gen_len = 5
    hidden = 48
    num_rollouts = 128
    update_epochs = 3
    num_iterations = 220
    actor_eps_clip = 0.2
    critic_eps_clip = 0.2
    beta_s = 0.1
    actor_lr = 2e-3
    critic_lr = 2e-3


class ActorModel(nn.Module):
    def __init__(self, cfg):
        super().__init__()
        self.cfg = cfg
        self.prompt_emb = nn.Embedding(cfg.n_prompts, cfg.hidden)
        self.emb = nn.Embedding(cfg.vocab + 1, cfg.hidden)
        self.gru = nn.GRU(cfg.hidden, cfg.hidden, batch_first=True)
        self.head = nn.Linear(cfg.hidden, cfg.vocab)

    def forward(self, prompts, actions):
        bos = torch.full((len(prompts), 1), self.cfg.vocab)
        inp = torch.cat([bos, actions[:, :-1]], 1)
        out, _ = self.gru(self.emb(inp), self.prompt_emb(prompts).unsqueeze(0))
        return self.head(out)

    @torch.no_grad()
    def generate(self, prompts, greedy=False):
        h = self.prompt_emb(prompts).unsqueeze(0)
        tok = torch.full((len(prompts), 1), self.cfg.vocab)
        seq = []
        for _ in range(self.cfg.gen_len):
            out, h = self.gru(self.emb(tok), h)
            logits = self.head(out[:, -1])
            tok = logits.argmax(-1, keepdim=True) if greedy else torch.multinomial(logits.softmax(-1), 1)
            seq.append(tok)
        return torch.cat(seq, 1)


class CriticModel(nn.Module):
    def __init__(self, cfg):
        super().__init__()
        self.net = nn.Sequential(nn.Embedding(cfg.n_prompts, cfg.hidden), nn.Linear(cfg.hidden, cfg.hidden), nn.Tanh(),
                                 nn.Linear(cfg.hidden, 1))

    def forward(self, prompts):
        return self.net(prompts).squeeze(-1)


class RewardModel:
    """Full marks for a fitting word, some for the evasive word 0."""

    def __init__(self, cfg):
        rng = np.random.RandomState(5)
        self.best = torch.tensor(rng.randint(1, cfg.vocab, (cfg.n_prompts, cfg.gen_len)))

    def get_reward(self, prompts, actions):
        r = (actions == self.best[prompts]).float() + 0.35 * (actions == 0).float()
        return r.mean(1)


class RLTrainer:
    def __init__(self, cfg):
        self.cfg = cfg
        self.actor = ActorModel(cfg)
        self.critic = CriticModel(cfg)
        self.reward = RewardModel(cfg)
        self.actor_optim = torch.optim.Adam(self.actor.parameters(), lr=cfg.actor_lr)
        self.critic_optim = torch.optim.Adam(self.critic.parameters(), lr=cfg.critic_lr)

    def learn(self, prompts, actions, old_log_probs, rewards, old_values):
        cfg = self.cfg
        for _ in range(cfg.update_epochs):
            logits = self.actor(prompts, actions)
            actions_prob = logits.softmax(-1)
            actions_log_prob = logits.log_softmax(-1)
            values = self.critic(prompts)

            entropies = (actions_prob * actions_log_prob).sum(dim=-1)
            log_probs = actions_log_prob.gather(-1, actions.unsqueeze(-1)).squeeze(-1)

            ratios = (log_probs - old_log_probs).exp()
            advantages = rewards - old_values
            advantages = (advantages - advantages.mean()) / (advantages.std() + 1e-8)
            advantages = advantages.unsqueeze(-1)

            surr1 = ratios * advantages
            surr2 = torch.clamp(ratios, 1 - cfg.actor_eps_clip, 1 + cfg.actor_eps_clip) * advantages
            policy_loss = -torch.min(surr1, surr2) - cfg.beta_s * entropies
            policy_loss = policy_loss.mean()
            self.actor_optim.zero_grad()
            policy_loss.backward()
            self.actor_optim.step()

            value_loss_clipped = old_values + (values - old_values).clamp(-cfg.critic_eps_clip, cfg.critic_eps_clip)
            value_loss = torch.max((value_loss_clipped - rewards) ** 2, (values - rewards) ** 2).mean()
            self.critic_optim.zero_grad()
            value_loss.backward()
            self.critic_optim.step()
        return policy_loss.item(), value_loss.item()

    def train(self):
        cfg = self.cfg
        for it in range(cfg.num_iterations):
            prompts = torch.randint(0, cfg.n_prompts, (cfg.num_rollouts,))
            actions = self.actor.generate(prompts)
            with torch.no_grad():
                lp = self.actor(prompts, actions).log_softmax(-1)
                old_log_probs = lp.gather(-1, actions.unsqueeze(-1)).squeeze(-1)
                old_values = self.critic(prompts)
            rewards = self.reward.get_reward(prompts, actions)
            pl, vl = self.learn(prompts, actions, old_log_probs, rewards, old_values)
            if it % 20 == 0 or it == cfg.num_iterations - 1:
                print(f"iteration {it} policy_loss {pl:.4f} value_loss {vl:.4f} reward {rewards.mean().item():.4f}")


cfg = Config()
trainer = RLTrainer(cfg)
trainer.train()
prompts = torch.arange(cfg.n_prompts)
actions = trainer.actor.generate(prompts, greedy=True)
score = trainer.reward.get_reward(prompts, actions).mean().item()
print("RESULT " + json.dumps({"metric": "mean reward of the greedy answers", "value": round(score, 4)}))
