import json
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch.utils.data import DataLoader

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)

images = torch.tensor(load_digits().images, dtype=torch.float32).unsqueeze(1) / 16 - 0.5
images = images[torch.randperm(len(images))]
train_images, valid_images = images[:1500], images[1500:]
data_variance = train_images.var().item()


class VectorQuantizerEMA(nn.Module):
    def __init__(self, num_embeddings, embedding_dim, commitment_cost, decay=0.97, epsilon=1e-5):
        super().__init__()
        self._k, self._d = num_embeddings, embedding_dim
        self._commitment_cost, self._decay, self._epsilon = commitment_cost, decay, epsilon
        embedding = torch.randn(num_embeddings, embedding_dim)
        self.register_buffer("_embedding", embedding)
        self.register_buffer("_ema_cluster_size", torch.ones(num_embeddings))
        self.register_buffer("_ema_w", embedding.clone())

    def forward(self, inputs):
        inputs = inputs.permute(0, 2, 3, 1).contiguous()  # BCHW -> BHWC
        flat = inputs.view(-1, self._d)
        indices = torch.cdist(flat, self._embedding).argmin(dim=1)
        encodings = F.one_hot(indices, self._k).float()
        quantized = self._embedding[indices].view(inputs.shape)

        if self.training:  # the codebook follows the encoder by moving averages
            with torch.no_grad():
                self._ema_cluster_size.mul_(self._decay).add_(encodings.sum(0), alpha=1 - self._decay)
                n = self._ema_cluster_size.sum()
                size = (self._ema_cluster_size + self._epsilon) / (n + self._k * self._epsilon) * n
                self._ema_w.mul_(self._decay).add_(encodings.t() @ flat, alpha=1 - self._decay)
                self._embedding.copy_(self._ema_w / size.unsqueeze(1))

        loss = self._commitment_cost * F.mse_loss(quantized.detach(), inputs)
        quantized = inputs + (quantized - inputs).detach()  # straight through
        probs = encodings.mean(0)
        perplexity = torch.exp(-(probs * torch.log(probs + 1e-10)).sum())
        return loss, quantized.permute(0, 3, 1, 2).contiguous(), perplexity


class Model(nn.Module):
    def __init__(self, hidden=32, k=64, d=8):
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Conv2d(1, hidden, 4, stride=2, padding=1), nn.ReLU(),
            nn.Conv2d(hidden, hidden, 3, padding=1), nn.ReLU(),
            nn.Conv2d(hidden, d, 1), nn.BatchNorm2d(d, affine=False))
        self.vq = VectorQuantizerEMA(k, d, commitment_cost=0.25)
        self.decoder = nn.Sequential(
            nn.Conv2d(d, hidden, 3, padding=1), nn.ReLU(),
            nn.ConvTranspose2d(hidden, hidden, 4, stride=2, padding=1), nn.ReLU(),
            nn.Conv2d(hidden, 1, 3, padding=1))

    def forward(self, x):
        loss, quantized, perplexity = self.vq(self.encoder(x))
        return loss, self.decoder(quantized), perplexity


model = Model()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
loader = DataLoader(train_images, batch_size=64, shuffle=True)
res_recon_error, res_perplexity = [], []
for epoch in range(25):
    model.train()
    for data in loader:
        optimizer.zero_grad()
        vq_loss, data_recon, perplexity = model(data)
        recon_error = F.mse_loss(data_recon, data) / data_variance
        loss = recon_error + vq_loss
        loss.backward()
        optimizer.step()
        res_recon_error.append(recon_error.item())
        res_perplexity.append(perplexity.item())
    if epoch % 5 == 4:
        n = len(loader)
        print(f"epoch {epoch + 1}: recon_error {sum(res_recon_error[-n:]) / n:.3f}, perplexity {sum(res_perplexity[-n:]) / n:.1f}")

model.eval()
with torch.no_grad():
    _, valid_recon, perplexity = model(valid_images)
    error = (F.mse_loss(valid_recon, valid_images) / data_variance).item()
print(f"validation: reconstruction error {error:.3f} of the variance, perplexity {perplexity.item():.1f} of 64 codes")
print("RESULT", json.dumps({"metric": "valid reconstruction error / variance", "value": round(error, 4),
                            "good": error <= 0.15 and perplexity.item() >= 20}))
