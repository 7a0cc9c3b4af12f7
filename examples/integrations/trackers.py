"""A script that logs to a tracker: `penlight run --track trackers.py` writes there, too.

python trackers.py tensorboard     (or wandb, mlflow, trackio; `sound` repairs the model)
"""

import sys

import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset


def points(n):
    y = torch.randint(3, (n,))
    angle = 2 * torch.pi * y / 3
    x = torch.stack([angle.cos(), angle.sin()], dim=1) + 0.4 * torch.randn(n, 2)
    return TensorDataset(1.2 * x, y)


torch.manual_seed(0)
loader = DataLoader(points(480), batch_size=24, shuffle=True)
layers = [nn.Linear(2, 32), nn.ReLU(), nn.Linear(32, 3)]
if "sound" not in sys.argv:
    layers.append(nn.Softmax(dim=1))  # cross_entropy has one already
model = nn.Sequential(*layers)
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)

if "tensorboard" in sys.argv:
    from torch.utils.tensorboard import SummaryWriter

    writer = SummaryWriter("board")
if "wandb" in sys.argv:
    import wandb

    run = wandb.init(mode="offline", project="penlight")
if "mlflow" in sys.argv:
    import mlflow

    mlflow.start_run()
if "trackio" in sys.argv:
    import trackio

    trackio.init(project="penlight")

step = 0
for _ in range(8):
    for x, y in loader:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        step += 1
    if "tensorboard" in sys.argv:
        writer.add_scalar("loss", loss.item(), step)
    if "wandb" in sys.argv:
        run.log({"loss": loss.item()}, step=step)
    if "mlflow" in sys.argv:
        mlflow.log_metric("loss", loss.item(), step=step)
    if "trackio" in sys.argv:
        trackio.log({"loss": loss.item()}, step=step)

if "tensorboard" in sys.argv:
    writer.close()
if "wandb" in sys.argv:
    run.finish()
if "mlflow" in sys.argv:
    mlflow.end_run()
if "trackio" in sys.argv:
    trackio.finish()
print(f"loss {loss.item():.6f}")
