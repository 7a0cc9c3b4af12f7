"""Finds runs among many by a condition in SQL, with DuckDB."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone

from penlight.errors import PenlightError
from penlight.report.told import stored_alarms, stored_verdict
from penlight.store.folder import RunInfo

COLUMNS = (
    "name VARCHAR, path VARCHAR, script VARCHAR, started TIMESTAMP, steps BIGINT, state VARCHAR, "
    "bytes BIGINT, diagnosis VARCHAR, findings VARCHAR[]"
)


def where(infos: Sequence[RunInfo], condition: str) -> list[RunInfo]:
    """The runs for which a condition holds, in their order.

    Args:
        infos: the runs.
        condition: what stands behind WHERE in SQL, over the columns of `COLUMNS`: `diagnosis` is
            the first alarm, `unlearnt`, `healthy`, or '' for no diagnosis; `findings` are the
            names of all alarms; `started` is in UTC.

    Raises:
        PenlightError: DuckDB is missing, or the condition is none.
    """
    try:
        import duckdb
    except ImportError:
        raise PenlightError("--where needs DuckDB: pip install 'penlight[query]'.") from None
    rows = []
    for number, info in enumerate(infos):
        alarms, verdict = stored_alarms(info.path), stored_verdict(info.path)
        started = datetime.fromtimestamp(info.started, timezone.utc).replace(tzinfo=None)
        rows.append(
            (number, info.name, info.place, info.script, started, info.steps, info.state,
             info.size, verdict, alarms or [])
        )  # fmt: skip
    # A condition may come from elsewhere: it reaches this table and no file.
    with duckdb.connect(":memory:", config={"enable_external_access": "false"}) as base:
        base.execute(f"CREATE TABLE runs (number BIGINT, {COLUMNS})")
        if rows:
            base.executemany(f"INSERT INTO runs VALUES ({', '.join('?' * len(rows[0]))})", rows)
        try:
            found = base.table("runs").filter(condition).order("number").project("number")
            return [infos[number] for (number,) in found.fetchall()]
        except duckdb.Error as error:
            said = str(error).splitlines()[0].strip()
            raise PenlightError(
                f"--where {condition!r} is no condition over the runs ({said}). Columns: {COLUMNS}."
            ) from None
