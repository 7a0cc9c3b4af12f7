"""`penlight run` in a CI service: exit status, annotations, SARIF."""

from __future__ import annotations

import json

import pytest

TRAIN = """
    import torch
    from torch import nn

    torch.manual_seed(0)
    x = torch.randn(64, 8)
    y = x[:, :4].argmax(1)
    model = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 4))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(60):
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
"""


@pytest.mark.slow
def test_a_sick_training_fails_and_is_told_where(shell, hold):
    (shell.folder / ".git").mkdir()
    script = shell.write("jobs/train.py", TRAIN)
    shell.env["GITHUB_ACTIONS"] = "true"
    words = ["run", "--strict", "--json", "out.json", "--sarif", "out.sarif", "jobs/train.py"]
    done = shell.penlight(*words)
    assert (done.returncode, done.stdout) == (1, ""), done.stderr
    (line,) = [i for i, x in enumerate(script.read_text().splitlines(), 1) if "SGD" in x]
    start = f"::error file=jobs/train.py,line={line},title=Penlight%3A missing-zero-grad::"
    assert start in done.stderr
    hold(json.loads((shell.folder / "out.json").read_text()), "diagnosis")
    first = json.loads((shell.folder / "out.sarif").read_text())["runs"][0]["results"][0]
    (location,) = first["locations"]
    assert first["ruleId"] == "missing-zero-grad"
    assert location["physicalLocation"] == {
        "artifactLocation": {"uri": "jobs/train.py", "uriBaseId": "%SRCROOT%"},
        "region": {"startLine": line},
    }
    assert "::error" not in shell.penlight("diagnose", "--no-github").stderr
