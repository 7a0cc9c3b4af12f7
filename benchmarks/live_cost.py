"""What five open live pages cost the training that they follow.

    ./do bench live_cost

Trains the same small network under `penlight run` alone and with `penlight live` beside it, five
pages reading its stream, in random order. Prints the processor time of the training process (which
a busy machine changes less than the clock), and that of the server as a share of one core.
"""

from __future__ import annotations

import os
import platform
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import urllib.request
from contextlib import suppress
from pathlib import Path
from time import monotonic, sleep

PAGES, PAIRS = 5, 6
SCRIPT = """
import torch
from torch import nn
torch.manual_seed(0)
layers = [nn.Linear(64, 256), nn.ReLU()]
for _ in range(6):
    layers += [nn.Linear(256, 256), nn.ReLU()]
model = nn.Sequential(*layers, nn.Linear(256, 10))
optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
x, y = torch.randn(128, 64), torch.randint(10, (128,))
for step in range(1500):
    optimizer.zero_grad()
    nn.functional.cross_entropy(model(x), y).backward()
    optimizer.step()
"""


def cpu(pid: int) -> float:
    """Processor seconds of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def train(folder: Path) -> float:
    """Processor seconds of one training."""
    (folder / "train.py").write_text(SCRIPT)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "penlight", "run", "--quiet", "--dir", "runs", "train.py"]
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run(command, cwd=folder, env=env, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def followed(folder: Path) -> tuple[float, float, int]:
    """The same with pages open; also the server's share of one core, and the messages read."""
    (folder / "runs").mkdir()
    server = subprocess.Popen(
        [sys.executable, "-m", "penlight", "live", "runs", "--port", "0"],
        cwd=folder, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert server.stdout is not None
    address = server.stdout.readline().strip().rstrip("/")
    messages: list[int] = []

    def read() -> None:
        while server.poll() is None and not any((folder / "runs").iterdir()):
            sleep(0.05)
        name = next(x.name for x in (folder / "runs").iterdir() if x.is_dir())
        with suppress(OSError):
            while server.poll() is None:
                with suppress(urllib.error.HTTPError):
                    with urllib.request.urlopen(f"{address}/run/{name}/events") as stream:
                        messages.extend(1 for line in stream if line.startswith(b"data:"))
                sleep(0.2)

    readers = [threading.Thread(target=read, daemon=True) for _ in range(PAGES)]
    for reader in readers:
        reader.start()
    start, spent = monotonic(), cpu(server.pid)
    seconds = train(folder)
    share = (cpu(server.pid) - spent) / (monotonic() - start)
    server.terminate()
    server.wait()
    return seconds, share, len(messages)


def main() -> None:
    """Print the table."""
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    random.seed(0)
    ratios, shares = [], []
    for pair in range(PAIRS):
        found = {}
        for kind in random.sample(("alone", "followed"), 2):
            with tempfile.TemporaryDirectory() as name:
                if kind == "alone":
                    found[kind] = train(Path(name))
                else:
                    found[kind], share, messages = followed(Path(name))
                    shares.append(share)
        ratios.append(found["followed"] / found["alone"])
        print(f"pair {pair}: {found['alone']:.2f} s alone, {found['followed']:.2f} s followed by "
              f"{PAGES} pages ({messages} messages), server {100 * shares[-1]:.0f}% of a core",
              flush=True)  # fmt: skip
    low, middle, high = min(ratios), statistics.median(ratios), max(ratios)
    print(f"median ratio {middle:.3f} (from {low:.3f} to {high:.3f})")
    print(f"server: {100 * statistics.median(shares):.0f}% of a core")


if __name__ == "__main__":
    main()
