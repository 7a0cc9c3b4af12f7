"""`penlight run --samples`: rows of the data are kept when the user asks, and only then."""

from __future__ import annotations

SCRIPT = """
import torch

torch.manual_seed(0)
net = torch.nn.Linear(4, 1)
optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
for step in range(6):
    x = torch.randn(8, 4)
    if step == 3:
        x[5, 1] = float("nan")
    optimizer.zero_grad()
    torch.nn.functional.mse_loss(net(x), torch.zeros(8, 1)).backward()
    optimizer.step()
"""
SHOWN = "Row 5 of batch 4, step 3: 4 numbers, 1 value not finite"


def test_rows_are_kept_and_shown_only_when_asked_for(shell):
    shell.write("train.py", SCRIPT)
    for words, count in ((["--samples"], 1), ([], 0)):
        assert shell.penlight("run", "--quiet", *words, "train.py").returncode == 0
        assert shell.penlight("report", "-o", "page.html").returncode == 0
        assert (shell.folder / "page.html").read_text().count(f"<figcaption>{SHOWN}") == count


def test_samples_of_a_command_are_refused(shell):
    result = shell.penlight("run", "--samples", "--", "sh", "-c", "true")
    assert result.returncode == 2
    assert "--samples looks into one script" in result.stderr
