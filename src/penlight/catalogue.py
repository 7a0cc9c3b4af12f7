"""Finds the pitfalls: every file of `penlight.pitfalls`, and plug-ins by entry point."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from importlib.metadata import entry_points

from penlight import pitfalls as package
from penlight.core.pitfall import Pitfall
from penlight.errors import PenlightError

GROUP = "penlight.pitfalls"


@cache
def catalogue() -> dict[str, Pitfall]:
    """All pitfalls by name, sorted.

    Raises:
        PenlightError: two pitfalls carry the same name.
    """
    modules = [
        importlib.import_module(f"{package.__name__}.{info.name}")
        for info in pkgutil.iter_modules(package.__path__)
        if not info.name.startswith("_")
    ]
    classes = [
        value
        for module in modules
        for value in vars(module).values()
        if _is_entry(value) and value.__module__.startswith(module.__name__)
    ]
    classes += [point.load() for point in entry_points(group=GROUP)]
    found: dict[str, Pitfall] = {}
    for cls in classes:
        if cls.name in found:
            raise PenlightError(f"Two pitfalls are named {cls.name!r}: rename the plug-in's.")
        found[cls.name] = cls()
    return dict(sorted(found.items()))


def pitfall(name: str) -> Pitfall:
    """The pitfall of that name.

    Raises:
        PenlightError: no such pitfall; the message proposes the nearest names.
    """
    import difflib

    known = catalogue()
    if name in known:
        return known[name]
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.4)
    hint = f" Did you mean {' or '.join(near)}?" if near else ""
    raise PenlightError(f"No pitfall is called {name!r}.{hint} `penlight pitfalls` lists all.")


def _is_entry(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, Pitfall) and value is not Pitfall
