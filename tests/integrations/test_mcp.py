"""`penlight mcp`, asked by the SDK's own client over stdin and stdout."""

from __future__ import annotations

import builtins
import json
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import pytest

import penlight
from penlight.catalogue import catalogue
from penlight.cli.mcp import command
from penlight.errors import PenlightError

SICK = """\
import sys
import torch
from torch import nn

torch.manual_seed(0)
x = torch.randn(600, 8)
y = (x[:, 0] + x[:, 1] > 0).long()
model = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 2), nn.Softmax(1))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
criterion = nn.CrossEntropyLoss()
for epoch in range(int(sys.argv[1])):
    for i in range(0, 480, 32):
        optimizer.zero_grad()
        loss = criterion(model(x[i:i + 32]), y[i:i + 32])
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        validation = criterion(model(x[480:]), y[480:])
print(f"val loss {validation:.3f}")
"""
T = TypeVar("T")
TOOLS = {"run", "check", "diagnose", "explain", "pitfalls", "fix"}


def wait_for(work: Callable[..., Awaitable[T]], *args: Any) -> T:
    """What a coroutine gives, from a thread of its own: Playwright keeps a loop in this one."""
    anyio = pytest.importorskip("anyio")
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(anyio.run, work, *args).result()


def ask(folder: Path, *calls: tuple[str, dict[str, Any]]) -> tuple[list[Any], list[Any]]:
    """The server's tools, and its answers to some calls of them."""
    mcp = pytest.importorskip("mcp")
    source = str(Path(penlight.__file__).parents[1])
    server = mcp.StdioServerParameters(
        command=sys.executable,
        args=["-m", "penlight", "mcp"],
        env={**os.environ, "PYTHONPATH": source, "PENLIGHT_DIR": str(folder / "runs")},
        cwd=folder,
    )

    async def talk() -> tuple[list[Any], list[Any]]:
        async with mcp.Client(server) as client:
            tools = await client.list_tools()
            return tools.tools, [await client.call_tool(name, words) for name, words in calls]

    return wait_for(talk)


def test_tools_are_described_and_the_catalogue_is_told(tmp_path):
    tools, (card, unknown, listed, alike, empty) = ask(
        tmp_path,
        ("explain", {"pitfall": "double-softmax"}),
        ("explain", {"pitfall": "double-sofmax"}),
        ("pitfalls", {}),
        ("pitfalls", {"symptom": "the loss is flat"}),
        ("diagnose", {}),
    )
    assert {x.name for x in tools} == TOOLS
    for tool in tools:
        assert len(tool.description) > 50
        assert tool.output_schema["properties"]
        assert all("description" in x for x in tool.input_schema["properties"].values())
    writes = {x.name for x in tools if x.annotations.destructive_hint}
    assert writes == {"fix"}
    (fix,) = (x for x in tools if x.name == "fix")
    assert fix.input_schema["properties"]["apply"]["default"] is False
    assert fix.input_schema["required"] == ["script"]

    assert card.structured_content["card"]["title"] == catalogue()["double-softmax"].title
    assert json.loads(card.content[0].text) == card.structured_content
    assert unknown.is_error
    assert "Did you mean double-softmax" in unknown.content[0].text
    assert {x["name"] for x in listed.structured_content["pitfalls"]} == set(catalogue())
    assert 0 < len(alike.structured_content["pitfalls"]) < 10
    assert empty.is_error
    assert "There are no runs" in empty.content[0].text


@pytest.mark.slow
def test_a_script_is_run_checked_diagnosed_and_cured_on_a_copy(hold, tmp_path):
    pytest.importorskip("torch")
    (tmp_path / "train.py").write_text(SICK)
    words = {"script": "train.py", "args": ["6"]}
    _, (ran, checked, again, absent, cured) = ask(
        tmp_path,
        ("run", words),
        ("check", words),
        ("diagnose", {}),
        ("run", {"script": "none.py"}),
        ("fix", words),
    )
    for answer in (ran, checked, again):
        assert not answer.is_error, answer.content
        told = answer.structured_content
        hold(told["diagnosis"], "diagnosis")
        assert told["diagnosis"]["findings"][0]["pitfall"] == "double-softmax"
        assert told["summary"].startswith("double-softmax (critical): ")
        assert "fix" in told["next_step"]
    assert ran.structured_content["diagnosis"]["steps"] == 90
    assert "val loss" in ran.structured_content["printed"]
    assert checked.structured_content["diagnosis"]["steps"] == 3
    assert absent.is_error
    assert "none.py" in absent.content[0].text
    found = cured.structured_content
    assert (found["accepted"], found["applied"]) == (True, False)
    assert "-model = nn.Sequential(" in found["patch"]
    assert "Proven: " in found["summary"]
    assert found["fix"]["confirmed"]
    hold(found["fix"], "fix")
    assert (tmp_path / "train.py").read_text() == SICK


@pytest.mark.parametrize("apply", [False, True])
def test_files_are_written_only_when_asked_for(monkeypatch, apply):
    pytest.importorskip("mcp")
    from penlight.integrations import mcp

    asked: list[str] = []
    trial = {"prescription": "P", "outcome": "error", "before": 1, "after": 0, "pairs": 3}
    diagnosis = {"findings": [], "checked": [], "steps": 1}

    async def recorded(_: Any, verb: list[str], *__: Any) -> tuple[dict[str, Any], str]:
        asked.extend(verb)
        found = {"diagnosis": diagnosis, "accepted": True, "trials": [trial], "patch": "-a\n+b\n"}
        return {**found, "why": "", "instructions": []}, ""

    monkeypatch.setattr(mcp, "_recorded", recorded)
    told = wait_for(lambda: mcp.fix(None, "train.py", apply=apply))
    assert ("--apply" in asked) is apply
    assert told["applied"] is apply


def test_signs_of_life_and_the_time_limit(monkeypatch):
    anyio = pytest.importorskip("anyio")
    pytest.importorskip("mcp")
    from penlight.integrations import mcp

    monkeypatch.setattr(mcp, "BEAT", 0.2)
    beats: list[float] = []

    class Context:
        async def report_progress(self, waited: float, message: str) -> None:
            beats.append(waited)

    async def end(minutes: float | None, seconds: float) -> int:
        command = [sys.executable, "-c", f"import time; time.sleep({seconds})"]
        async with await anyio.open_process(command) as process:
            await mcp._end(process, Context(), minutes)
            return process.returncode

    assert wait_for(end, 1 / 60, 60) == -signal.SIGTERM
    assert len(beats) >= 4
    assert wait_for(end, None, 0) == 0


def test_a_script_cannot_pass_for_an_option(tmp_path):
    _, (answer,) = ask(tmp_path, ("fix", {"script": "--apply", "args": ["train.py"]}))
    assert answer.is_error
    assert "is no script" in answer.content[0].text


def test_without_the_sdk_there_is_a_sentence(monkeypatch):
    whole = builtins.__import__

    def missing(name: str, *args: Any) -> Any:
        if name.split(".", maxsplit=1)[0] == "mcp":
            raise ModuleNotFoundError(f"No module named {name!r}", name="mcp")
        return whole(name, *args)

    monkeypatch.delitem(sys.modules, "penlight.integrations.mcp", raising=False)
    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(PenlightError, match=r"pip install 'penlight\[mcp\]'"):
        command.main([], standalone_mode=False)
