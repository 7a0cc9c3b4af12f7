import json, sys
import numpy as np
import torch
import torch.nn as nn

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
torch.set_num_threads(1)


# ---- optimizer kernels of the backend ------------------------------------------------
def kernel_addcmul_(out, a, b, value):
    buf = out.contiguous()
    buf.add_(a * b, alpha=value)
    return out if buf is out else out.copy_(buf)


def kernel_addcdiv_(out, a, b, value):
    buf = out.contiguous()
    buf.add_(a / b, alpha=value)
    return out if buf is out else out.copy_(buf)


class Adam(torch.optim.Optimizer):
    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8):
        super().__init__(params, dict(lr=lr, betas=betas, eps=eps))

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            b1, b2 = group["betas"]
            for p in group["params"]:
                if p.grad is None:
                    continue
                st = self.state[p]
                if not st:
                    st["step"] = 0
                    st["exp_avg"] = torch.zeros_like(p, memory_format=torch.preserve_format)
                    st["exp_avg_sq"] = torch.zeros_like(p, memory_format=torch.preserve_format)
                st["step"] += 1
                st["exp_avg"].lerp_(p.grad, 1 - b1)
                st["exp_avg_sq"].mul_(b2)
                kernel_addcmul_(st["exp_avg_sq"], p.grad, p.grad, 1 - b2)
                denom = (st["exp_avg_sq"] / (1 - b2 ** st["step"])).sqrt().add_(group["eps"])
                kernel_addcdiv_(p, st["exp_avg"], denom, -group["lr"] / (1 - b1 ** st["step"]))


class SparseAutoencoder(nn.Module):
    def __init__(self, d_in, d_hidden):
        super().__init__()
        self.encoder = nn.Linear(d_in, d_hidden)
        self.decoder = nn.Linear(d_hidden, d_in)
        with torch.no_grad():
            self.decoder.weight.div_(self.decoder.weight.norm(dim=0, keepdim=True))
        # start the encoder as the transpose of the decoder
        self.encoder.weight.data = self.decoder.weight.data.t().clone()
        nn.init.zeros_(self.encoder.bias)
        nn.init.zeros_(self.decoder.bias)

    def forward(self, x):
        h = torch.relu(self.encoder(x))
        return self.decoder(h), h


# activations: few non-negative features out of 24, mixed into 48 dimensions
rng = np.random.RandomState(seed)
dictionary = rng.randn(24, 48)
dictionary /= np.linalg.norm(dictionary, axis=1, keepdims=True)


def activations(n):
    codes = (rng.rand(n, 24) < 0.15) * rng.uniform(0.5, 1.5, (n, 24))
    return torch.tensor(codes @ dictionary + 0.01 * rng.randn(n, 48), dtype=torch.float32)


train, test = activations(8000), activations(2000)
mean, scale = train.mean(0), train.std()
train, test = (train - mean) / scale, (test - mean) / scale

model = SparseAutoencoder(48, 26)
optimizer = Adam(model.parameters(), lr=2e-3)
l1 = 1e-3
batch = 128
epochs = 50

for epoch in range(epochs):
    for g in optimizer.param_groups:
        g["lr"] = 2e-3 * 0.5 * (1 + np.cos(np.pi * epoch / epochs))
    perm = torch.randperm(len(train))
    total = 0.0
    for i in range(0, len(train), batch):
        x = train[perm[i:i + batch]]
        recon, h = model(x)
        loss = ((recon - x) ** 2).mean() + l1 * h.abs().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item() * len(x)
    if (epoch + 1) % 5 == 0:
        with torch.no_grad():
            v = ((model(test)[0] - test) ** 2).mean().item()
        print(f"epoch {epoch + 1} loss {total / len(train):.4f} test mse {v:.4f}")

with torch.no_grad():
    fvu = (((model(test)[0] - test) ** 2).sum() / ((test - test.mean(0)) ** 2).sum()).item()
print("RESULT " + json.dumps({"metric": fvu}))
