"""Whatever is wrong with the input: one clear sentence, the right status, nothing lost."""

from __future__ import annotations

import os
import struct

import pytest

from penlight.store import schema


def sentence(result, status):
    """The one line that Penlight says about it."""
    assert result.returncode == status, result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == ""
    last = result.stderr.splitlines()[-1]
    return last.removeprefix("penlight: ")


def test_no_such_script(shell):
    assert sentence(shell.penlight("run", "train.py"), 2).startswith("There is no file 'train.py'")


def test_a_directory(shell):
    (shell.folder / "pkg").mkdir()
    assert sentence(shell.penlight("run", "pkg"), 2).startswith("pkg is a directory.")


def test_no_such_module(shell):
    said = sentence(shell.penlight("run", "-m", "no.such"), 1)
    assert said.startswith("There is no module 'no.such'")
    assert not list((shell.folder / ".penlight").glob("*/*"))


def test_a_module_whose_package_lacks_something(shell):
    shell.write("pkg/__init__.py", "import not_there_at_all")
    shell.write("pkg/mod.py", "")
    result = shell.penlight("run", "-m", "pkg.mod")
    assert result.returncode == 1
    assert "No module named 'not_there_at_all'" in result.stderr
    assert "sorry" not in result.stderr


def test_binary(shell):
    (shell.folder / "weights.pt").write_bytes(b"\x80\x02PK\0\0")
    said = sentence(shell.penlight("run", "weights.pt"), 1)
    assert said == "weights.pt is not a Python script: it holds binary data."


def test_a_syntax_error_is_shown_as_python_shows_it(shell):
    shell.write("s.py", "x = 1\nfor i in range(3) print(i)\n")
    plain, watched = shell.python("s.py"), shell.penlight("run", "s.py")
    assert sentence(watched, 1) == "s.py is not valid Python, so it was not run."
    assert watched.stderr.removeprefix("penlight:").strip().startswith(plain.stderr.strip())
    assert not (shell.folder / ".penlight").exists()


def test_undecodable_text(shell):
    (shell.folder / "s.py").write_bytes(b"name = '\xe4'\n")
    assert sentence(shell.penlight("run", "s.py"), 1).endswith(
        "is not valid Python, so it was not run."
    )


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_script(shell):
    shell.write("s.py", "").chmod(0)
    assert sentence(shell.penlight("run", "s.py"), 2) == "Cannot read s.py: Permission denied."


def test_a_command_without_the_dashes(shell):
    said = sentence(shell.penlight("run", "env", "train.py"), 2)
    assert "penlight run -- env" in said


def test_no_such_command(shell):
    said = sentence(shell.penlight("run", "--", "no-such-command", "x"), 127)
    assert said == "There is no command 'no-such-command'."
    assert not list((shell.folder / ".penlight").glob("*/*"))


@pytest.mark.parametrize(
    "words", [["run"], ["run", "--nonsense", "s.py"], ["run", "--budget", "x", "s"]]
)
def test_usage(shell, words):
    assert sentence(shell.penlight(*words), 2).startswith("Error: ")


def test_a_script_in_the_place_of_the_verb(shell):
    assert sentence(shell.penlight("train.py"), 2).endswith("Did you mean: penlight run train.py")


@pytest.mark.parametrize("out", ["no/such/folder/o.json", "."])
def test_an_unwritable_json_is_told_before_the_script_runs(shell, out):
    shell.write("s.py", "print('ran')")
    said = sentence(shell.penlight("run", "--json", out, "s.py"), 2)
    assert said.startswith("Cannot write ")


def test_a_script_that_does_not_train(shell):
    shell.write("s.py", "print('hi')")
    result = shell.penlight("run", "s.py")
    assert result.returncode == 0
    assert "No PyTorch optimiser took a step" in result.stderr
    assert "nothing wrong" not in result.stderr


def test_a_check_that_saw_no_step_is_no_success(shell):
    shell.write("s.py", "print('hi')")
    assert shell.penlight("check", "--quiet", "s.py").returncode == 2


def test_a_crash_at_import(shell):
    shell.write("s.py", "import no_such_library")
    result = shell.penlight("run", "--json", "o.json", "s.py")
    assert result.returncode == 1
    assert "No module named 'no_such_library'" in result.stderr
    assert '"script_exit": 1' in (shell.folder / "o.json").read_text()


def test_without_torch(shell):
    shell.hide_torch()
    shell.write("s.py", "import torch")
    result = shell.penlight("run", "s.py")
    assert result.returncode == 1
    assert "pip install torch" in result.stderr.splitlines()[-1]


def stored(shell):
    shell.write("s.py", "")
    assert shell.penlight("run", "--quiet", "s.py").returncode == 0
    (segment,) = (shell.folder / ".penlight").glob("*/rank0.seg")
    return segment


def test_a_damaged_run(shell):
    segment = stored(shell)
    segment.write_bytes(b"\0" * 100)
    said = sentence(shell.penlight("diagnose"), 2)
    assert "not a Penlight segment, or its header is damaged" in said
    assert "unreadable" in shell.penlight("runs").stdout


def test_a_run_of_a_newer_penlight(shell):
    segment = stored(shell)
    header = schema.frame(schema.HEADER, struct.pack("<8sH", schema.MAGIC, 99) + b"{}")
    segment.write_bytes(header)
    assert "newer Penlight" in sentence(shell.penlight("diagnose", str(segment.parent)), 2)


def test_no_runs(shell):
    assert "There are no runs" in sentence(shell.penlight("diagnose", "--dir", "x"), 2)
    assert "There are no runs" in shell.penlight("runs", "--dir", "x").stdout


def test_a_fault_of_ours_is_an_apology_with_a_saved_traceback(shell):
    shell.write(
        "broken/sitecustomize.py",
        "import penlight.store.folder as f\ndef list_runs(root): raise RuntimeError('oh')\n"
        "f.list_runs = list_runs\n",
    )
    shell.env["PYTHONPATH"] += f"{os.pathsep}{shell.folder / 'broken'}"
    said = sentence(shell.penlight("runs"), 70)
    assert said.startswith("sorry, this is a fault of Penlight itself")
    with open(said.split()[-1]) as file:  # noqa: PTH123
        assert "RuntimeError: oh" in file.read()
