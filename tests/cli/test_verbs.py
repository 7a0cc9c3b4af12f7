"""What the verbs do when all is well."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from penlight.cli import VERBS, commandline, json_out, watching
from penlight.cli.run import command as run
from penlight.cli.watching import Report
from penlight.core.finding import Diagnosis, Evidence, Finding
from penlight.errors import PenlightError
from penlight.launch.script import Outcome
from penlight.testing import fake_run

TRAIN = """
    import sys, torch
    from torch.utils.data import DataLoader, TensorDataset
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2))
    opt = torch.optim.SGD(net.parameters(), lr=0.1)
    x = torch.randn(64, 4)
    data = DataLoader(TensorDataset(x, (x[:, 0] > 0).long()), 16, shuffle=True, num_workers=1)
    for epoch in range(3):
        for a, b in data:
            opt.zero_grad()
            loss = torch.nn.functional.cross_entropy(net(a), b)
            loss.backward()
            opt.step()
    print(*(p.sum().item().hex() for p in net.parameters()))
"""


def test_a_training_is_watched_and_left_alone(shell, alike):
    shell.write("train.py", TRAIN)
    _, watched = alike("train.py")
    assert "12 training steps" in watched.stderr
    (folder,) = [x for x in (shell.folder / ".penlight").iterdir() if x.is_dir()]
    assert {x.name for x in folder.iterdir()} == {"rank0.seg", "diagnosis.json"}
    assert json.loads((folder / "diagnosis.json").read_text())["steps"] == 12
    assert shell.penlight("diagnose", "--json", "train").stdout.startswith("{")
    shell.hide_torch()
    again = shell.penlight("diagnose")
    assert again.returncode == 0
    assert "12 training steps" in again.stdout
    listed = shell.penlight("runs").stdout
    assert "train" in listed
    assert "finished" in listed


def test_check_stops_after_its_first_steps(shell):
    shell.write("train.py", TRAIN)
    result = shell.penlight("check", "--json", "o.json", "train.py")
    assert (result.returncode, result.stdout) == (0, ""), result.stderr
    assert json.loads((shell.folder / "o.json").read_text())["steps"] == 3


def test_quiet_and_name_and_dir(shell):
    shell.write("s.py", "print('hi')")
    words = ["run", "--quiet", "--name", "first try", "--dir", "kept", "--json", "o.json", "s.py"]
    result = shell.penlight(*words)
    assert (result.returncode, result.stdout, result.stderr) == (0, "hi\n", "")
    assert len(list((shell.folder / "kept").glob("*-first_try-*/rank0.seg"))) == 1
    told = json.loads((shell.folder / "o.json").read_text())
    assert told["schema"] == 1
    assert told["findings"] == []


def test_help_needs_neither_torch_nor_numpy_nor_rich():
    code = (
        "import sys\nfrom penlight.cli import main\n"
        "try: main(['--help'])\nexcept SystemExit: pass\n"
        "print({'torch', 'numpy', 'rich'} & set(sys.modules))"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.endswith("set()\n")
    assert all(verb in shown.stdout for verb in VERBS)


def test_version(shell):
    assert shell.penlight("--version").stdout.startswith("penlight 0.")


def parsed(*words):
    context = run.make_context("run", list(words))
    return context.params, commandline.words_of(context)


def test_words_after_the_script_are_its_own():
    params, words = parsed(
        "--strict", "--budget", "5%", "s.py", "--strict", "--json", "-m", "--", "-h"
    )
    assert words == ("path", ["s.py", "--strict", "--json", "-m", "--", "-h"])
    assert params["budget"] == pytest.approx(0.05)
    assert params["out"] is None


@pytest.mark.parametrize("words", [["-m", "pkg.mod", "--json", "x"], ["-mpkg.mod", "--json", "x"]])
def test_words_after_the_module_are_its_own(words):
    params, rest = parsed("--quiet", *words)
    assert rest == ("module", ["pkg.mod", "--json", "x"])
    assert params["out"] is None


def test_words_after_the_dashes_are_a_command():
    assert parsed("--name", "-m", "--", "torchrun", "-m", "x")[1] == (
        "command",
        ["torchrun", "-m", "x"],
    )


CRITICAL = Diagnosis(findings=(Finding("dead-relu", "dead"),))


@pytest.mark.parametrize(
    ("diagnosis", "strict", "own", "status"),
    [
        (CRITICAL, True, 0, 1),
        (CRITICAL, False, 0, 0),
        (CRITICAL, False, 9, 9),
        (Diagnosis(), True, 9, 9),
        (Diagnosis(findings=(Finding("dead-relu", "x", severity="warning"),)), True, 0, 0),
    ],
)
def test_strict(monkeypatch, tmp_path, diagnosis, strict, own, status):
    monkeypatch.setattr(watching, "_diagnose", lambda *_: (fake_run(steps=5), diagnosis))
    report = Report(tmp_path / "o.json", quiet=True, strict=strict)
    assert report.tell(tmp_path, Outcome(own)) == status


def test_a_fault_while_diagnosing_leaves_the_scripts_status_alone(monkeypatch, tmp_path, capsys):
    def broken(*_):
        raise RuntimeError("oh")

    monkeypatch.setattr(watching, "_diagnose", broken)
    assert Report().tell(tmp_path, Outcome(3)) == 3
    assert "sorry" in capsys.readouterr().err


def test_json_is_strict_and_replaces_the_file_as_a_whole(tmp_path):
    path = json_out.prepare(tmp_path / "o.json")
    path.write_text("old")
    evidence = Evidence("loss", "says", value=float("nan"), limit=float("inf"))
    text = json_out.to_text(
        Diagnosis(findings=(Finding("nonfinite-loss", "x", evidence=(evidence,)),))
    )
    json_out.write(path, text)
    told = json.loads(path.read_text(), parse_constant=pytest.fail)
    assert told["findings"][0]["evidence"][0]["value"] is None
    assert [x.name for x in tmp_path.iterdir()] == ["o.json"]


def test_a_folder_that_went_away_is_told(tmp_path):
    with pytest.raises(PenlightError, match="Cannot write"):
        json_out.write(tmp_path / "gone" / "o.json", "{}")
