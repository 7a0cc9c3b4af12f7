"""Makes the pictures in docs/pictures from real runs, with chromium. Takes some minutes.

    python docs/pictures.py [--gallery DIR]

Runs examples/healthy.py and six demos under Penlight, writes their report pages into a temporary
folder and photographs them; then the gallery: all demos, unless DIR already holds one.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from penlight.catalogue import pitfall
from penlight.diagnosis import diagnose
from penlight.report.html import Arm, page
from penlight.store.folder import find_run
from penlight.store.reader import load

ROOT = Path(__file__).parent.parent
OUT = ROOT / "docs" / "pictures"
PITFALLS = {
    "vanishing-gradient": "light",
    "exploding-gradient": "dark",
    "dying-relu": "dark",
    "double-softmax": "light",
    "overfitting": "light",
    "lr-too-high": "dark",
}
FLAGS = ["--no-sandbox", "--disable-quic", "--disable-background-networking", "--disable-gpu"]


def recorded(script: Path, folder: Path) -> str:
    """Run a script under Penlight; its page."""
    command = [
        sys.executable,
        "-m",
        "penlight",
        "run",
        "--quiet",
        "--dir",
        str(folder),
        script.name,
    ]
    subprocess.run(
        command,
        cwd=script.parent,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        check=False,  # some demos end badly: that is what they show
    )
    run = load(find_run("last", folder))
    return page(Arm(run, diagnose(run)))


def photograph(browser: Any, url: str, name: str, scheme: str, size: tuple[int, int]) -> None:
    """One picture of the top of a page."""
    width, height = size
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
    tab = context.new_page()
    tab.goto(url)
    tab.evaluate("new Promise(f => requestAnimationFrame(() => requestAnimationFrame(f)))")
    path = OUT / f"{name}.png"
    tab.screenshot(path=str(path))
    context.close()
    print(f"{path.relative_to(ROOT)} {path.stat().st_size / 1000:.0f} kB", flush=True)


def main(words: list[str]) -> None:
    """Make all of them."""
    from playwright.sync_api import sync_playwright

    OUT.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        folder = Path(name)
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
        healthy = folder / "healthy.html"
        text = recorded(ROOT / "examples" / "healthy.py", folder / "healthy")
        healthy.write_text(text, encoding="utf-8")
        photograph(browser, healthy.as_uri(), "healthy", "light", (1280, 1180))
        photograph(browser, healthy.as_uri(), "healthy-phone", "dark", (400, 860))
        for pick, scheme in PITFALLS.items():
            demo = pitfall(pick).demo
            assert demo is not None
            (folder / pick).mkdir()
            script = folder / pick / "train.py"
            script.write_text(demo.script, encoding="utf-8")
            report = folder / f"{pick}.html"
            report.write_text(recorded(script, folder / pick / "runs"), encoding="utf-8")
            photograph(browser, report.as_uri(), pick, scheme, (1280, 1180))
        gallery = Path(words[1]) if words[:1] == ["--gallery"] else folder / "gallery"
        if not (gallery / "index.html").exists():
            command = [sys.executable, "-m", "penlight", "demo", "--gallery", str(gallery)]
            subprocess.run(command, check=True)
        index = (gallery / "index.html").resolve()
        photograph(browser, index.as_uri(), "gallery", "light", (1280, 1180))
        cured = (gallery / "vanishing-gradient.html").resolve()
        photograph(browser, cured.as_uri(), "gallery-page", "dark", (1280, 1180))
        browser.close()


if __name__ == "__main__":
    main(sys.argv[1:])
