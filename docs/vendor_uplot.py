"""Renews the copy of uPlot inside the wheel from its pinned npm package. Needs npm and the net.

    python docs/vendor_uplot.py

The version and the checksums are in src/penlight/report/html/static/uplot/pinned.json; to take
another version, change it there, run this, and commit what it wrote.
"""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import tarfile
import tempfile
from pathlib import Path

FOLDER = Path(__file__).parent.parent / "src/penlight/report/html/static/uplot"
FILES = {
    "package/dist/uPlot.iife.min.js": "uPlot.iife.min.js",
    "package/dist/uPlot.min.css": "uPlot.min.css",
    "package/LICENSE": "LICENSE",
}


def main() -> None:
    """Fetch, unpack, write down the checksums."""
    pinned = json.loads((FOLDER / "pinned.json").read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as folder:
        command = ["npm", "pack", "--silent", f"uplot@{pinned['version']}"]
        subprocess.run(command, cwd=folder, check=True)
        (archive,) = Path(folder).glob("*.tgz")
        data = archive.read_bytes()
    sums = {}
    with tarfile.open(fileobj=io.BytesIO(data)) as package:
        for member, name in FILES.items():
            file = package.extractfile(member)
            assert file is not None, f"{member} is not in the package"
            text = file.read()
            (FOLDER / name).write_bytes(text)
            sums[name] = hashlib.sha256(text).hexdigest()
    renewed = {"version": pinned["version"], "sha256": sums}
    (FOLDER / "pinned.json").write_text(json.dumps(renewed, indent=2) + "\n", encoding="utf-8")
    print(f"uPlot {pinned['version']}: {FOLDER}")


if __name__ == "__main__":
    main()
