"""
A minimal training script for DiT on pre-extracted features.
"""
import hashlib
import json
import math
import sys
from collections import OrderedDict
from copy import deepcopy

import numpy as np
import torch
import torch.nn as nn
from sklearn.datasets import load_digits
from sklearn.svm import SVC
from torch.utils.data import DataLoader, Dataset

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
np.random.seed(seed)
torch.set_num_threads(1)


#################################################################################
#                         Feature folders (kept in memory)                      #
#################################################################################

class Folders:
    """Stands in for the disk: folders of .npy files. Like on a real file system,
    listdir gives the names in the order of the folder's own hash table."""

    def __init__(self):
        self.data = {}

    def save(self, folder, name, array):
        self.data.setdefault(folder, {})[name] = np.array(array)

    def load(self, folder, name):
        return self.data[folder][name]

    def listdir(self, folder):
        key = lambda name: hashlib.md5(f"{folder}/{name}/{seed}".encode()).hexdigest()
        return sorted(self.data[folder], key=key)


disk = Folders()


def extract_features(features_dir, labels_dir):
    digits = load_digits()
    x = (digits.images / 16.0 * 2 - 1).astype(np.float32)
    for i in range(len(x)):
        disk.save(features_dir, f"{i}.npy", x[i][None])
        disk.save(labels_dir, f"{i}.npy", digits.target[i])
    return x, digits.target


#################################################################################
#                                  Model                                        #
#################################################################################

def timestep_embedding(t, dim, max_period=10000):
    half = dim // 2
    freqs = torch.exp(-math.log(max_period) * torch.arange(half, dtype=torch.float32) / half)
    args = t[:, None].float() * freqs[None]
    return torch.cat([torch.cos(args), torch.sin(args)], dim=-1)


class LabelEmbedder(nn.Module):
    def __init__(self, num_classes, hidden_size, dropout_prob):
        super().__init__()
        self.embedding_table = nn.Embedding(num_classes + 1, hidden_size)
        self.num_classes = num_classes
        self.dropout_prob = dropout_prob

    def forward(self, labels):
        if self.training and self.dropout_prob > 0:
            drop = torch.rand(labels.shape[0]) < self.dropout_prob
            labels = torch.where(drop, self.num_classes, labels)
        return self.embedding_table(labels)


class Block(nn.Module):
    """A residual block with adaptive layer norm (adaLN) conditioning."""

    def __init__(self, hidden_size):
        super().__init__()
        self.norm = nn.LayerNorm(hidden_size, elementwise_affine=False, eps=1e-6)
        self.mlp = nn.Sequential(nn.Linear(hidden_size, 2 * hidden_size), nn.GELU(),
                                 nn.Linear(2 * hidden_size, hidden_size))
        self.adaLN_modulation = nn.Sequential(nn.SiLU(), nn.Linear(hidden_size, 3 * hidden_size))

    def forward(self, x, c):
        shift, scale, gate = self.adaLN_modulation(c).chunk(3, dim=1)
        return x + gate * self.mlp(self.norm(x) * (1 + scale) + shift)


class DiT(nn.Module):
    def __init__(self, input_size=8, hidden_size=192, depth=4, num_classes=10, class_dropout_prob=0.1):
        super().__init__()
        self.input_size = input_size
        self.x_embedder = nn.Linear(input_size * input_size, hidden_size)
        self.t_embedder = nn.Sequential(nn.Linear(64, hidden_size), nn.SiLU(), nn.Linear(hidden_size, hidden_size))
        self.y_embedder = LabelEmbedder(num_classes, hidden_size, class_dropout_prob)
        self.blocks = nn.ModuleList([Block(hidden_size) for _ in range(depth)])
        self.final_norm = nn.LayerNorm(hidden_size)
        self.final_layer = nn.Linear(hidden_size, input_size * input_size)

    def forward(self, x, t, y):
        shape = x.shape
        c = self.t_embedder(timestep_embedding(t, 64)) + self.y_embedder(y)
        h = self.x_embedder(x.flatten(1))
        for block in self.blocks:
            h = block(h, c)
        return self.final_layer(self.final_norm(h)).view(shape)


#################################################################################
#                                Diffusion                                      #
#################################################################################

class Diffusion:
    def __init__(self, num_timesteps=100):
        self.num_timesteps = num_timesteps
        self.betas = torch.linspace(1e-3, 0.08, num_timesteps)
        self.alphas_cumprod = torch.cumprod(1 - self.betas, 0)

    def training_losses(self, model, x, t, model_kwargs):
        noise = torch.randn_like(x)
        a = self.alphas_cumprod[t].view(-1, 1, 1)
        x_t = a.sqrt() * x + (1 - a).sqrt() * noise
        return {"loss": ((model(x_t, t, **model_kwargs) - noise) ** 2).mean(dim=(1, 2))}

    @torch.no_grad()
    def p_sample_loop(self, model, shape, y):
        x = torch.randn(shape)
        for i in reversed(range(self.num_timesteps)):
            t = torch.full((shape[0],), i, dtype=torch.long)
            eps = model(x, t, y)
            a, b = self.alphas_cumprod[i], self.betas[i]
            x = (x - b / (1 - a).sqrt() * eps) / (1 - b).sqrt()
            if i > 0:
                x = x + b.sqrt() * torch.randn_like(x)
        return x


#################################################################################
#                             Training Helper Functions                         #
#################################################################################

@torch.no_grad()
def update_ema(ema_model, model, decay=0.995):
    ema_params = OrderedDict(ema_model.named_parameters())
    for name, param in model.named_parameters():
        ema_params[name].mul_(decay).add_(param.data, alpha=1 - decay)


class CustomDataset(Dataset):
    def __init__(self, features_dir, labels_dir):
        self.features_dir = features_dir
        self.labels_dir = labels_dir

        self.features_files = sorted(disk.listdir(features_dir))
        self.labels_files = sorted(disk.listdir(labels_dir))

    def __len__(self):
        assert len(self.features_files) == len(self.labels_files), \
            "Number of feature files and label files should be same"
        return len(self.features_files)

    def __getitem__(self, idx):
        feature_file = self.features_files[idx]
        label_file = self.labels_files[idx]

        features = disk.load(self.features_dir, feature_file)
        labels = disk.load(self.labels_dir, label_file)
        return torch.from_numpy(features), torch.as_tensor(labels)


#################################################################################
#                                  Training Loop                                #
#################################################################################

def main(epochs=60, global_batch_size=128, log_every=100):
    real_x, real_y = extract_features("features", "labels")

    model = DiT()
    ema = deepcopy(model)
    for p in ema.parameters():
        p.requires_grad = False
    diffusion = Diffusion()
    print(f"DiT Parameters: {sum(p.numel() for p in model.parameters()):,}")

    opt = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0)

    dataset = CustomDataset("features", "labels")
    loader = DataLoader(dataset, batch_size=global_batch_size, shuffle=True, drop_last=True)
    print(f"Dataset contains {len(dataset):,} images")

    update_ema(ema, model, decay=0)
    model.train()  # important! This enables embedding dropout for classifier-free guidance
    ema.eval()
    train_steps, log_steps, running_loss = 0, 0, 0.0
    for epoch in range(epochs):
        for x, y in loader:
            x = x.squeeze(dim=1)
            t = torch.randint(0, diffusion.num_timesteps, (x.shape[0],))
            loss = diffusion.training_losses(model, x, t, dict(y=y))["loss"].mean()
            opt.zero_grad()
            loss.backward()
            opt.step()
            update_ema(ema, model)

            running_loss += loss.item()
            log_steps += 1
            train_steps += 1
            if train_steps % log_every == 0:
                print(f"(step={train_steps:07d}) Train Loss: {running_loss / log_steps:.4f}")
                running_loss, log_steps = 0.0, 0

    model.eval()
    # do the generated images show the class that was asked for?
    judge = SVC(gamma=0.02, C=10).fit(real_x.reshape(len(real_x), -1), real_y)
    y = torch.arange(10).repeat_interleave(30)
    samples = diffusion.p_sample_loop(ema, (300, 8, 8), y).clamp(-1, 1)
    pred = judge.predict(samples.flatten(1).numpy())
    print("RESULT " + json.dumps({"metric": "generated samples of the requested class",
                                  "value": float((pred == y.numpy()).mean())}))


if __name__ == "__main__":
    main()
