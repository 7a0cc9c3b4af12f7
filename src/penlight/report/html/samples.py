"""The rows that a finding speaks of, as small pictures or numbers. A run is untrusted data."""

from __future__ import annotations

import base64
import math
import struct
import zlib
from typing import Any

import numpy as np
import numpy.typing as npt

from penlight.core.facts import Offender
from penlight.core.run import Run
from penlight.report import words as w

KINDS = {  # which kept rows a finding speaks of
    "nonfinite-loss": "nonfinite",
    "nonfinite-or-corrupt-data": "nonfinite",
    "train-val-leakage": "leaked",
}
MOST = 8  # of a finding
LARGEST = 4096  # numbers in one
LOST = (214, 40, 57)  # colour of a pixel that is no number


def samples(pitfall: str, run: Run) -> list[dict[str, Any]]:
    """The kept rows that a finding of this pitfall speaks of."""
    kept = [x for x in run.all(Offender) if x.why == KINDS.get(pitfall) and _sound(x)]
    return [_shown(x) for x in kept[:MOST]]


def _sound(x: Offender) -> bool:
    sizes = all(0 < side <= LARGEST for side in x.shape)
    return (
        sizes and len(x.shape) in (1, 2) and math.prod(x.shape) == len(x.values)
        and len(x.values) <= LARGEST
    )  # fmt: skip


def _shown(x: Offender) -> dict[str, Any]:
    bad = sum(not math.isfinite(v) for v in x.values)
    own = x.whole
    whole = " × ".join(map(str, own)) if len(own) > 1 else w.count(math.prod(own), "number")
    place = f"row {x.row} of an evaluated batch" if x.batch is None else f"row {x.row}"
    when = f"after step {x.step}" if x.batch is None else f"of batch {x.batch}, step {x.step}"
    caption = f"{place} {when}: {whole}"
    if bad:
        caption += f", {w.count(bad, 'value')} not finite"
    image = len(x.shape) == 2
    return {
        "caption": w.capital(caption),
        "image": picture(np.array(x.values, np.float64).reshape(x.shape)) if image else "",
        "size": _size(x.shape) if image else (0, 0),
        "start": x.start,
        "numbers": [] if image else [_number(v, x.integral) for v in x.values],
    }


def _number(value: float, integral: bool) -> tuple[str, bool]:
    """What is written, and whether it is a number at all."""
    if not math.isfinite(value):
        return ("NaN" if math.isnan(value) else "∞" if value > 0 else "-∞"), False
    return (str(int(value)) if integral else w.digits(value)), True


def _size(shape: tuple[int, ...]) -> tuple[int, int]:
    """Width and height on the page: whole pixels of the screen to each of the picture's."""
    scale = max(1, 128 // max(shape))
    return shape[1] * scale, shape[0] * scale


def picture(values: npt.NDArray[np.float64]) -> str:
    """A PNG as a data address: the lowest number black, the highest white, the lost ones red."""
    fine = np.isfinite(values)
    known = values[fine]
    low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)
    with np.errstate(over="ignore", invalid="ignore"):
        grey = np.clip((values - low) / ((high - low) or 1.0), 0, 1)
    grey = np.where(fine, np.nan_to_num(grey) * 255, 0).astype(np.uint8)
    pixels = np.repeat(grey[:, :, None], 3, 2)
    pixels[~fine] = LOST
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)  # each begins with its filter: none
    header = struct.pack(">IIBBBBB", values.shape[1], values.shape[0], 8, 2, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(rows, 9)), (b"IEND", b""))
    whole = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in parts
    )
    return f"data:image/png;base64,{base64.b64encode(whole).decode('ascii')}"
