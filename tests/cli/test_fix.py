"""`penlight fix` and `penlight undo` as users meet them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from conftest import Result, Shell

ILL = """\
import sys
import torch
from torch import nn

torch.manual_seed(0)
x = torch.randn(600, 8)
y = (x[:, 0] + x[:, 1] > 0).long()
model = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 2), nn.Softmax(1))  # two classes
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
criterion = nn.CrossEntropyLoss()
for epoch in range(6):
    for i in range(0, 480, 32):
        optimizer.zero_grad()
        loss = criterion(model(x[i:i + 32]), y[i:i + 32])
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        validation = criterion(model(x[480:]), y[480:])
torch.save(model.state_dict(), "model.pt")
print(f"val loss {validation:.3f}")
"""
NET = """\
from torch import nn


def make():
    return nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 2), nn.Softmax(1))
"""
HEALTHY = ILL.replace(", nn.Softmax(1)", "")


def fix(shell: Shell, *words: str) -> tuple[Result, dict[str, Any]]:
    done = shell.penlight("fix", "--json", "out.json", *words)
    assert "Traceback" not in done.stderr
    assert (shell.folder / "out.json").exists(), done.stderr
    return done, json.loads((shell.folder / "out.json").read_text())


def arms_of(shell: Shell) -> list[str]:
    """Processes that work for a trial in the shell's own temporary folder."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            words = (entry / "cmdline").read_bytes().decode(errors="replace")
        except OSError:
            continue
        if entry.name.isdigit() and str(shell.folder) in words and "zygote" in words:
            found.append(entry.name)
    return found


@pytest.fixture
def temp(shell: Shell) -> Path:
    """The temporary folder of the commands that the shell runs."""
    folder = shell.folder / "temp"
    folder.mkdir()
    shell.env["TMPDIR"] = str(folder)
    return folder


@pytest.mark.slow
def test_a_cure_is_proven_handed_over_applied_and_undone(shell: Shell, temp: Path) -> None:
    script = shell.write("project/train.py", ILL)
    done, said = fix(shell, "project/train.py", "7")

    assert done.returncode == 0, done.stdout
    assert set(said) >= {"schema", "diagnosis", "accepted", "trials", "patch", "confirmed"}
    assert (said["schema"], said["accepted"], said["confirmed"]) == (1, True, True)
    assert said["diagnosis"]["findings"][0]["pitfall"] == "double-softmax"
    assert said["diagnosis"]["script"] == "project/train.py"
    best = said["trials"][0]
    assert best["verdict"] == "accept"
    assert best["pitfall"] == "double-softmax"
    assert best["pairs"] == len(best["pair_values"]) >= 3
    assert 0 < best["error_rate"] < 0.05
    assert best["after"] < best["before"]
    assert said["cost"]["runs"] >= 8

    # Nothing of the user's was written, and nothing stays behind.
    assert script.read_text() == ILL
    assert sorted(p.name for p in shell.folder.iterdir()) == [
        ".penlight", "out.json", "project", "temp",
    ]  # fmt: skip
    assert [p.name for p in script.parent.iterdir()] == ["train.py"]
    assert list(temp.iterdir()) == []
    assert arms_of(shell) == []

    kept = next(p for p in (shell.folder / ".penlight").iterdir() if p.is_dir())
    assert json.loads((kept / "fix.json").read_text()) == said
    assert (kept / "diagnosis.json").exists()
    patch = kept / "fix.patch"
    assert patch.read_text() == said["patch"]
    subprocess.run(["patch", "-p1", "-s", "-i", str(patch)], cwd=script.parent, check=True)
    assert "Softmax" not in script.read_text()
    assert "# two classes" in script.read_text()
    assert "The cure" in done.stdout
    assert "patch -p1" in done.stdout


@pytest.mark.slow
def test_apply_and_undo(shell: Shell) -> None:
    script = shell.write("train.py", ILL)
    script.chmod(0o755)
    done, _ = fix(shell, "--apply", "--quiet", "train.py")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    patched = script.read_text()
    assert "Softmax" not in patched
    assert script.stat().st_mode & 0o777 == 0o755

    script.write_text(patched + "# mine\n")
    refused = shell.penlight("undo")
    assert refused.returncode == 1
    assert "edited after the patch" in refused.stderr
    assert script.read_text().endswith("# mine\n")
    script.write_text(patched)
    assert shell.penlight("undo").returncode == 0
    assert script.read_text() == ILL
    again = shell.penlight("undo")
    assert again.returncode == 2
    assert "nothing to undo" in again.stderr


@pytest.mark.slow
def test_a_healthy_run_is_left_alone(shell: Shell) -> None:
    shell.write("train.py", HEALTHY)
    done, said = fix(shell, "train.py")
    assert done.returncode == 0
    assert (said["accepted"], said["trials"], said["patch"]) == (False, [], "")
    assert said["cost"]["arms"] == 1
    assert "Nothing to fix" in done.stdout


@pytest.mark.slow
def test_what_is_only_noted_is_tried(shell: Shell) -> None:
    unscaled = HEALTHY.replace("x = torch", "x = 60 + 20 * torch").replace("> 0)", "> 120)")
    shell.write("train.py", unscaled.replace("range(6)", "range(12)"))
    done, said = fix(shell, "train.py")
    assert {x["severity"] for x in said["diagnosis"]["findings"]} == {"note"}
    assert done.returncode == 0
    assert said["accepted"] is True
    assert "BatchNorm1d" in said["patch"]
    assert "input-scale (a note" in done.stdout


@pytest.mark.slow
def test_what_cannot_be_judged_is_said_with_what_to_do(shell: Shell) -> None:
    blind = ILL.replace("criterion(model(x[i:i + 32]), y[i:i + 32])", "energy(model(x[i:i + 32]))")
    blind = blind.replace("        optimizer.zero_grad()\n", "")
    blind = blind.replace("criterion(model(x[480:]), y[480:])", "0.0")
    blind = blind.replace("criterion =", "energy = lambda p: (p * p.log()).sum().exp()\nunused =")
    script = shell.write("train.py", blind.replace("val loss", "done"))
    done, said = fix(shell, "train.py")
    assert done.returncode == 1
    assert said["accepted"] is False
    assert "cannot be seen" in said["why"]
    assert said["trials"] == []
    assert "No cure was proven" in done.stdout
    assert "To try it: penlight run --with zero-grad" in " ".join(done.stdout.split())
    assert script.read_text() == blind.replace("val loss", "done")


@pytest.mark.slow
def test_a_script_that_fails(shell: Shell) -> None:
    shell.write("train.py", HEALTHY + "raise ValueError('at the end')\n")
    done, said = fix(shell, "train.py")
    assert done.returncode == 1
    assert "ValueError: at the end" in said["why"]
    assert said["patch"] == ""


@pytest.mark.slow
def test_a_module_of_two_files_with_options(shell: Shell) -> None:
    """-m, a model in another file, argparse, and a config file that is read beside the script."""
    model, training = ILL.split("optimizer =", 1)
    shell.write("pkg/__init__.py", "")
    shell.write("pkg/net.py", NET)
    shell.write("pkg/config.json", '{"lr": 0.001}')
    head = model.split("model =")[0].replace(
        "import sys\n",
        "import argparse\nimport json\nfrom pathlib import Path\n"
        "from pkg.net import make\n"
        "config = json.loads(Path(__file__).with_name('config.json').read_text())\n"
        "parser = argparse.ArgumentParser()\nparser.add_argument('--out', required=True)\n"
        "args = parser.parse_args()\n",
    )
    text = f"{head}model = make()\noptimizer ={training}".replace("1e-3", "config['lr']")
    shell.write("pkg/train.py", text.replace('"model.pt"', "args.out"))
    out = shell.folder / "weights.pt"
    done, said = fix(shell, "-m", "pkg.train", "--out", str(out))
    assert done.returncode == 0, done.stdout
    assert "+++ b/pkg/net.py" in said["patch"]
    assert not out.exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "phase"),
    [
        (signal.SIGINT, "copying"),
        (signal.SIGINT, "running"),
        (signal.SIGINT, "trying"),
        (signal.SIGINT, "confirming"),
        (signal.SIGTERM, "trying"),
    ],
)
def test_interrupted_at_any_moment(
    shell: Shell, temp: Path, number: signal.Signals, phase: str
) -> None:
    script = shell.write("train.py", ILL)
    process = subprocess.Popen(
        shell.command("fix", "--apply", "train.py"),
        cwd=shell.folder, env=shell.env, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip
    assert process.stderr is not None
    for line in process.stderr:
        if phase in line:
            break
    if phase != "copying":
        time.sleep(0.3)  # into the arms
        assert arms_of(shell)
    process.send_signal(number)
    _, complaint = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert "Traceback" not in complaint
    assert arms_of(shell) == []
    assert list(temp.iterdir()) == []
    assert script.read_text() == ILL
    assert not (shell.folder / "model.pt").exists()


@pytest.mark.slow
def test_killed_it_leaves_no_process(shell: Shell, temp: Path) -> None:
    shell.write("train.py", ILL)
    process = subprocess.Popen(
        shell.command("fix", "train.py"), cwd=shell.folder, env=shell.env,
        stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    assert process.stderr is not None
    while "running" not in process.stderr.readline():
        continue
    process.kill()
    process.wait()
    process.stderr.close()
    for _ in range(1200):
        if not arms_of(shell) and not list(temp.iterdir()):
            break
        time.sleep(0.05)
    assert arms_of(shell) == []
    assert list(temp.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["fix"], "Name a script"),
        (["fix", "nowhere.py"], "nowhere.py"),
        (["fix", "--", "torchrun", "x.py"], "not a command"),
        (["fix", "--budget", "1", "x.py"], "budget"),
        (["undo"], "nothing to undo"),
    ],
)
def test_usage(shell: Shell, words: list[str], said: str) -> None:
    done = shell.penlight(*words)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_torch_is_missing(shell: Shell) -> None:
    shell.write("train.py", "print()")
    shell.hide_torch()
    done = shell.penlight("fix", "train.py")
    assert done.returncode == 2
    assert "needs torch" in done.stderr
    assert not os.path.exists(shell.folder / ".penlight")  # noqa: PTH110
