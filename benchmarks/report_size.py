"""How large the page of a very long and deep run is, and how soon a browser shows it.

    ./do bench report_size

Makes runs of 300 layers and 100,000 steps, looked at 2,000 times and at every step, with a loss at
every step. Prints the seconds that Python needs for the page, its size, and the seconds from the
call of the page to the end of its script in headless chromium (median of five).
"""

from __future__ import annotations

import platform
import statistics
import tempfile
from pathlib import Path
from time import perf_counter

import numpy as np

from penlight.core.facts import End, Header, Module, Parameter
from penlight.core.finding import Diagnosis
from penlight.core.run import Run, Series
from penlight.report.html import Arm, page

FLAGS = ["--no-sandbox", "--disable-quic", "--disable-background-networking", "--disable-gpu"]


def deep(layers: int, steps: int, looks: int) -> Run:
    """A run with a loss at every step and four signals at each layer."""
    chance = np.random.default_rng(0)
    every = np.arange(steps, dtype=np.int64)
    series = {("loss", "SGD#0"): Series("loss", "SGD#0", every, 1 + 0.01 * chance.random(steps))}
    at = np.linspace(0, steps - 1, looks).astype(np.int64)
    names = [f"blocks.{i // 6}.{i % 6}" for i in range(layers)]
    noise = 1 + 0.1 * chance.random(looks)
    for i, name in enumerate(names):
        for signal, site in (
            ("output_grad", name),
            ("act_rms", name),
            ("update_ratio", f"{name}.weight"),
            ("grad_norm", f"{name}.weight"),
        ):
            series[signal, site] = Series(signal, site, at, 0.99 ** (layers - i) * noise)
    facts = [
        Header(script="train.py"),
        *(Module(name=n, type="Linear", order=i) for i, n in enumerate(names)),
        *(Parameter(name=f"{n}.weight", shape=(8, 8), module=n) for n in names),
        End(script_exit=0, steps=steps),
    ]
    return Run(series, facts)


def main() -> None:
    """Print the table."""
    from playwright.sync_api import sync_playwright

    print(f"{platform.machine()}, Python {platform.python_version()}, chromium headless, no GPU")
    print(f"{'layers':>6} {'steps':>8} {'looks':>8} {'page made':>10} {'size':>9} {'opened':>8}")
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
        for layers, steps, looks in (
            (8, 1_000, 200),
            (300, 100_000, 2_000),
            (300, 100_000, 100_000),
        ):
            run = deep(layers, steps, looks)
            start = perf_counter()
            text = page(Arm(run, Diagnosis()))
            made = perf_counter() - start
            path = Path(folder) / "page.html"
            path.write_text(text, encoding="utf-8")
            times = []
            for _ in range(5):
                tab = browser.new_page()
                tab.goto(path.as_uri(), wait_until="load")
                # Two frames later all that was drawn is on the screen.
                tab.evaluate(
                    "new Promise(f => requestAnimationFrame(() => requestAnimationFrame(f)))"
                )
                times.append(tab.evaluate("performance.now()") / 1000)
                tab.close()
            shown = statistics.median(times)
            print(f"{layers:6} {steps:8,} {looks:8,} {made:8.2f} s {len(text) / 1e3:6.0f} kB "
                  f"{shown:6.2f} s")  # fmt: skip
        browser.close()


if __name__ == "__main__":
    main()
