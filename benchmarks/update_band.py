"""How far one step moves a weight matrix in healthy trainings: the band drawn in the report.

    ./do bench update_band

Runs the cured demo of every pitfall once and prints, for each, the 5th, 50th and 95th percentile of
the update ratio over all weight matrices and looks; then the median of each over the demos.
"""

from __future__ import annotations

import platform
import tempfile
from pathlib import Path

import numpy as np

from penlight.catalogue import catalogue
from penlight.core.vocabulary import UPDATE_RATIO
from penlight.lab import record

SHARES = (0.05, 0.5, 0.95)


def main() -> None:
    """Print the table."""
    print(f"{platform.machine()}, Python {platform.python_version()}, seed 0")
    print(f"{'cured demo':32} {'5%':>9} {'50%':>9} {'95%':>9}")
    rows = []
    for name, card in catalogue().items():
        if card.demo is None:
            continue
        with tempfile.TemporaryDirectory() as folder:
            script = Path(folder) / "demo.py"
            script.write_text(card.demo.cured, encoding="utf-8")
            run = record(script).run
        matrices = {p.name for p in run.parameters if len(p.shape) > 1}
        found = [s.finite.values for s in run.every(UPDATE_RATIO) if s.site in matrices]
        values = np.concatenate([*found, np.zeros(0)])
        values = values[values > 0]
        if len(values):
            rows.append(np.quantile(values, SHARES))
            print(f"{name:32} {rows[-1][0]:9.2g} {rows[-1][1]:9.2g} {rows[-1][2]:9.2g}", flush=True)
    for share in (0.1, 0.5, 0.9):
        a, b, c = np.quantile(np.array(rows), share, axis=0)
        print(f"{f'{share:.0%} of the demos are below':32} {a:9.2g} {b:9.2g} {c:9.2g}")


if __name__ == "__main__":
    main()
