"""Word comes right after `import torch`, once, and leaves no trace."""

from __future__ import annotations

import importlib
import sys

import pytest

from penlight.launch.arming import TorchWatch


@pytest.fixture
def torch_like(tmp_path, monkeypatch):
    """A stand-in for torch whose text the test writes."""
    for name in [n for n in sys.modules if n.partition(".")[0] == "torch"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield tmp_path / "torch.py"
    sys.modules.pop("torch", None)


def test_word_comes_when_the_import_is_done(torch_like):
    torch_like.write_text("value = 1\nlast = 2\n")
    seen = []
    watch = TorchWatch(lambda: seen.append(sys.modules["torch"].last))
    watch.start()
    before = list(sys.meta_path)
    import json  # noqa: F401  # others are none of its business

    assert seen == []
    module = importlib.import_module("torch")
    assert seen == [2]
    assert watch not in sys.meta_path
    assert len(sys.meta_path) == len(before) - 1
    assert type(module.__loader__).__name__ == type(module.__spec__.loader).__name__
    assert type(module.__loader__).__name__ == "SourceFileLoader"


def test_a_failed_import_may_be_tried_again(torch_like):
    torch_like.write_text("raise OSError('libcudart is missing')\n")
    seen = []
    watch = TorchWatch(lambda: seen.append(1))
    watch.start()
    with pytest.raises(OSError, match="libcudart"):
        importlib.import_module("torch")
    assert seen == []
    torch_like.write_text("fine = True\n")
    importlib.invalidate_caches()
    importlib.import_module("torch")
    assert seen == [1]


def test_torch_that_is_there_already_is_reported_at_once(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", sys)
    seen = []
    TorchWatch(lambda: seen.append(1)).start()
    assert seen == [1]


def test_stop(torch_like):
    torch_like.write_text("")
    seen = []
    watch = TorchWatch(lambda: seen.append(1))
    watch.start()
    watch.stop()
    watch.stop()
    importlib.import_module("torch")
    assert seen == []
