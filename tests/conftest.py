"""What all tests share."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from penlight.core.pitfall import Pitfall
    from penlight.lab import Recorded

    Demo = tuple[Path, Recorded]

# One thread for each test process and for the scripts it starts, set before anybody loads torch or
# numpy: two workers fill two cores, and sums come out in the same order everywhere.
for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(name, "1")

# A shell starts background jobs with interrupts ignored, and what they start ignores them, too: the
# scripts of the tests are to die of an interrupt as in any terminal.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


SCHEMAS = Path(__file__).parents[1] / "docs" / "schema"


def closed(schema: Any) -> Any:
    """The schema with every field forbidden that it does not name: the docs tell all of them."""
    if isinstance(schema, list):
        return [closed(x) for x in schema]
    if not isinstance(schema, dict):
        return schema
    inner = {k: closed(v) for k, v in schema.items()}
    return {"additionalProperties": False, **inner} if "properties" in schema else inner


@pytest.fixture(scope="session")
def hold() -> Callable[[Any, str], None]:
    """Hold a value against one of the schemas in docs/schema, named without its ending."""
    jsonschema = pytest.importorskip("jsonschema")
    referencing = pytest.importorskip("referencing")
    schemas = {
        path.name: closed(json.loads(path.read_text(encoding="utf-8")))
        for path in SCHEMAS.glob("*.schema.json")
    }
    registry = referencing.Registry().with_resources(
        (name, referencing.Resource.from_contents(schema)) for name, schema in schemas.items()
    )

    def check(value: Any, name: str) -> None:
        schema = schemas[f"{name}.schema.json"]
        jsonschema.Draft202012Validator(schema, registry=registry).validate(value)

    return check


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Send the tests of one pitfall's demo to one worker, which trains it once for all of them.

    Marks of pytest-xdist 3.8 would say so, too, but not under pytest 9.2: it sets the name of the
    group in a place that is not read any more.
    """
    if config.getvalue("dist") != "loadgroup":
        return None
    from xdist.scheduler import LoadGroupScheduling

    class ByDemo(LoadGroupScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file, _, case = nodeid.partition("[")
            if file.endswith(("::test_a_named_edit_cures_the_demo", "_is_silent_when_cured")):
                return case
            return super()._split_scope(nodeid)

    return ByDemo(config, log)


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Pitfall, str], Demo]:
    """`demo(pitfall, "sick")` and `demo(pitfall, "cured")`: the script and its recording.

    Each is trained once a worker, and tests of one pitfall's demo share a worker.
    """
    from penlight.lab import record

    @cache
    def recorded(pitfall: Pitfall, form: str) -> Demo:
        assert pitfall.demo is not None
        script = tmp_path_factory.mktemp(f"{pitfall.name}-{form}") / "train.py"
        script.write_text(pitfall.demo.script if form == "sick" else pitfall.demo.cured)
        return script, record(script)

    return recorded
