import json
import sys

import torch
import torch.nn as nn

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)

LATENT, BATCH, CLIP = 8, 128, 0.05


def real_points(n):
    angle = 2 * 3.14159265 * torch.rand(n, 1)
    radius = 1.0 + 0.05 * torch.randn(n, 1)
    return torch.cat([radius * torch.cos(angle) + 1.5, 0.6 * radius * torch.sin(angle) - 0.5], 1)


generator = nn.Sequential(nn.Linear(LATENT, 64), nn.LeakyReLU(0.2), nn.Linear(64, 64), nn.LeakyReLU(0.2), nn.Linear(64, 2))
critic = nn.Sequential(nn.Linear(2, 64), nn.LeakyReLU(0.2), nn.Linear(64, 64), nn.LeakyReLU(0.2), nn.Linear(64, 1))
generator_optimizer = torch.optim.RMSprop(generator.parameters(), lr=5e-4)
critic_optimizer = torch.optim.RMSprop(critic.parameters(), lr=5e-4)


def sample(n):
    return generator(torch.randn(n, LATENT))


def train():
    for step in range(1, 1201):
        for _ in range(4):
            critic_optimizer.zero_grad()
            with torch.no_grad():
                fake = sample(BATCH)
            critic_loss = torch.mean(critic(fake)) - torch.mean(critic(real_points(BATCH)))
            critic_loss.backward()
            critic_optimizer.step()
            for p in critic.parameters():
                p.data.clamp_(-CLIP, CLIP)

        generator_optimizer.zero_grad()
        critic_output_fake = critic(sample(BATCH))
        fake_loss = -torch.mean(critic_output_fake)
        fake_loss.backward()
        generator_optimizer.step()
        if step % 100 == 0:
            print(f"step {step} critic {critic_loss.item():.5f} generator {fake_loss.item():.5f}")


def sliced_distance(a, b):
    total = 0.0
    for k in range(16):
        t = torch.tensor(3.14159265 * k / 16)
        d = torch.stack([torch.cos(t), torch.sin(t)])
        total += (torch.sort(a @ d)[0] - torch.sort(b @ d)[0]).abs().mean().item()
    return total / 16


train()
with torch.no_grad():
    made = torch.nan_to_num(sample(2000), nan=0.0)
dist = sliced_distance(made, real_points(2000))
print("RESULT", json.dumps({"metric": "sliced_wasserstein", "value": float(dist)}))
