"""Penlight alone imports none of the places where it is a guest."""

from __future__ import annotations

from typing import Any

PLACES = {
    "ignite", "keras", "lightning", "mlflow", "pytorch_lightning", "skorch", "tensorboard",
    "trackio", "transformers", "wandb",
}  # fmt: skip


def test_no_framework_and_no_tracker_is_imported(process: Any) -> None:
    code = (
        "import sys, penlight, penlight.library, penlight.cli.run, penlight.integrations.tracking\n"
        "import penlight.cli.import_, penlight.integrations.importing\n"
        "print(*{x.split('.')[0] for x in sys.modules})"
    )
    done = process.python("-c", code)
    assert done.returncode == 0, done.stderr
    loaded = set(done.stdout.split())
    assert not loaded & {*PLACES, "torch"}


def test_a_missing_package_is_one_sentence_with_the_line_that_helps(process: Any) -> None:
    rooms = ("ignite", "keras", "lightning", "skorch", "transformers")
    code = (
        "import importlib, importlib.util as u, sys\n"
        "class Nothing:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name.split('.')[0] in {sorted(PLACES)}:\n"
        "            raise ModuleNotFoundError(name)\n"
        "sys.meta_path.insert(0, Nothing())\n"
        "old = u.find_spec\n"
        f"u.find_spec = lambda n, *a: None if n in {sorted(PLACES)} else old(n, *a)\n"
        f"for room in {rooms}:\n"
        "    try:\n"
        "        importlib.import_module('penlight.integrations.' + room)\n"
        "    except ImportError as error:\n"
        "        print(error)\n"
    )
    said = process.python("-c", code).stdout.splitlines()
    assert len(said) == len(rooms)
    for room, line in zip(rooms, said, strict=True):
        assert line.endswith(f"is not installed: pip install 'penlight[{room}]'")
