"""`penlight run -- command` and torchrun."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest

TRAIN = """
    import os, sys, torch
    torch.manual_seed(0)
    net = torch.nn.Linear(4, 2)
    opt = torch.optim.SGD(net.parameters(), lr=0.1)
    x = torch.randn(64, 4)
    for _ in range(5):
        opt.zero_grad()
        torch.nn.functional.cross_entropy(net(x), (x[:, 0] > 0).long()).backward()
        opt.step()
    said = f"rank {os.environ.get('RANK')} {sys.argv[1:]}\\n"
    os.write(1, said.encode())  # in one piece, as two ranks share the pipe
    sys.exit(int(sys.argv[1]))
"""


def folders(shell):
    return sorted(x for x in (shell.folder / ".penlight").iterdir() if x.is_dir())


def test_a_command_without_python(shell):
    result = shell.penlight("run", "--json", "o.json", "--", "sh", "-c", "echo hi; exit 6")
    assert (result.stdout, result.returncode) == ("hi\n", 6)
    told = json.loads((shell.folder / "o.json").read_text())
    assert (told["steps"], told["script_exit"]) == (0, 6)


def test_a_command_killed_by_a_signal(shell):
    assert shell.penlight("run", "--quiet", "--", "sh", "-c", "kill -9 $$").returncode == 137


WAIT = "import time; print('up', flush=True); time.sleep(60)"


@pytest.mark.parametrize(
    "command", [[sys.executable, "-c", WAIT], ["sh", "-c", "echo up; exec sleep 60"]]
)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_reach_the_command_and_the_report_still_comes(shell, number, command):
    process = subprocess.Popen(
        shell.command("run", "--json", "o.json", "--", *command),
        cwd=shell.folder, env=shell.env, text=True, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n"
    if number == signal.SIGINT:
        os.killpg(process.pid, number)  # as a terminal does it
    else:
        process.send_signal(number)
    _, stderr = process.communicate(timeout=30)
    assert process.returncode == 128 + number, stderr
    assert "The run is kept in" in stderr
    assert (shell.folder / "o.json").exists()


def test_training_below_a_shell_and_the_users_sitecustomize(shell):
    shell.write("train.py", TRAIN)
    shell.write("own/sitecustomize.py", "import os; os.write(1, b'mine\\n')")
    shell.env["PYTHONPATH"] = str(shell.folder / "own") + os.pathsep + shell.env["PYTHONPATH"]
    first = shell.python("-c", "pass")
    assert first.stdout == "mine\n"
    line = f"{sys.executable} train.py 3; {sys.executable} -c 'import json'; exit 4"
    result = shell.penlight("run", "--json", "o.json", "--", "sh", "-c", line)
    assert result.returncode == 4, result.stderr
    assert result.stdout == "mine\nmine\nrank None ['3']\nmine\n"
    told = json.loads((shell.folder / "o.json").read_text())
    assert (told["steps"], told["script_exit"]) == (5, 4)
    assert [sorted(x.name for x in f.iterdir()) for f in folders(shell)] == [
        ["diagnosis.json", "rank0.seg"]
    ]


@pytest.mark.slow
def test_training_in_spawned_processes(shell):
    shell.write(
        "train.py",
        """
        import torch, torch.multiprocessing as mp

        def train(rank):
            torch.manual_seed(rank)
            net = torch.nn.Linear(4, 2)
            opt = torch.optim.SGD(net.parameters(), lr=0.1)
            for _ in range(5):
                opt.zero_grad()
                net(torch.ones(3, 4)).square().mean().backward()
                opt.step()

        if __name__ == "__main__":
            mp.spawn(train, nprocs=1)
        """,
    )
    within = shell.penlight("run", "train.py")
    assert "penlight run -- python" in within.stderr.splitlines()[-1]
    around = shell.penlight("run", "--", sys.executable, "train.py")
    assert "5 training steps" in around.stderr
    assert around.returncode == within.returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize("outside", [True, False])
def test_torchrun_from_both_sides(shell, outside):
    shell.write("train.py", TRAIN)
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
    if outside:
        result = shell.penlight("run", "--json", "o.json", "--", *torchrun, "train.py", "0")
    else:
        words = [*torchrun[1:], "-m", "penlight", "run", "--json", "o.json", "train.py", "0"]
        result = shell.python(*words)
    assert result.returncode == 0, result.stderr
    assert sorted(result.stdout.splitlines()) == ["rank 0 ['0']", "rank 1 ['0']"]
    assert result.stderr.count("5 training steps") == 1
    (folder,) = folders(shell)
    names = {x.name for x in folder.iterdir()}
    assert names == {"rank0.seg", "rank1.seg", "diagnosis.json"}
    assert json.loads((shell.folder / "o.json").read_text())["steps"] == 5
