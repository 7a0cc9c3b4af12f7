"""`%%penlight` in a real Jupyter kernel, driven as Jupyter's own tools drive it."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("ipykernel")
nbclient = pytest.importorskip("nbclient")
import nbformat  # noqa: E402  # after the check that it is there
from tests.integrations.test_notebook import SETUP  # noqa: E402  # as above

from penlight.errors import PenlightError  # noqa: E402  # as above

BARE = "torch.manual_seed(1)\ntrain(model, clear=False)\nprint(loss())"


def executed(folder: Path, monkeypatch: pytest.MonkeyPatch, *cells: str) -> list[Any]:
    """Run a notebook in a kernel of its own; its cells with what each put out."""
    for name in ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR"):
        monkeypatch.setenv(name, str(folder / name.lower()))
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(dedent(x).strip()) for x in cells]
    )
    client = nbclient.NotebookClient(
        notebook, timeout=200, kernel_name="python3", allow_errors=True,
        resources={"metadata": {"path": str(folder)}},
    )  # fmt: skip
    with ThreadPoolExecutor(1) as thread:  # Playwright keeps a loop in this one
        thread.submit(asyncio.run, client.async_execute()).result()
    return list(notebook.cells)


SOUND = SETUP + "\n    def loss():\n        return F.cross_entropy(model(x), y).item()\n"


def test_a_cell_that_trains_shows_the_page_and_gives_the_same_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare = executed(tmp_path, monkeypatch, SOUND, BARE)[-1].outputs
    cells = executed(tmp_path, monkeypatch, "%load_ext penlight", SOUND, f"%%penlight\n{BARE}")
    *streams, shown = cells[-1].outputs
    assert [x.text for x in streams if x.output_type == "stream"] == [bare[0].text]
    assert shown.output_type == "display_data"
    assert shown.data["text/html"].startswith("<iframe")
    assert "missing-zero-grad (critical" in shown.data["text/plain"]


def test_errors_are_sentences_and_the_kernel_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cells = executed(
        tmp_path,
        monkeypatch,
        "%load_ext penlight",
        SOUND,
        "%%penlight --text\ntrain(model)\n1 / 0",
        "%%penlight --model nobody\ntrain(model)",
        "%%penlight --text\ntrain(model)",
    )
    ended, unknown, sound = ("".join(map(str, x.outputs)) for x in cells[-3:])
    assert "ZeroDivisionError" in ended
    assert "Penlight has watched the cell up to the error above." in ended
    assert "there is no variable 'nobody'" in unknown
    assert PenlightError.__module__ not in unknown
    assert "found nothing wrong" in sound
