"""Python imports this at the start of every process below `penlight run -- command`.

It prepares to watch a process that imports torch, then makes way for the user's own
sitecustomize. It must work in any environment that the command leads to, so it takes Penlight
from where it lies and touches nothing else.
"""

import importlib.machinery
import importlib.util
import os
import sys


def _load_penlight(home: str) -> None:
    """Make `import penlight` work here without putting a foreign site-packages on the path."""
    if "penlight" in sys.modules:
        return
    folder = f"{home}{os.sep}penlight"
    spec = importlib.util.spec_from_file_location(
        "penlight", f"{folder}{os.sep}__init__.py", submodule_search_locations=[folder]
    )
    if spec is not None and spec.loader is not None:
        module = importlib.util.module_from_spec(spec)
        sys.modules["penlight"] = module
        spec.loader.exec_module(module)


def _arm() -> None:
    home = os.environ.get("PENLIGHT_WATCH_HOME")
    if not home:
        return
    try:
        _load_penlight(home)
        from penlight.launch.child import arm

        arm()
    except Exception as error:  # whatever goes wrong here must not cost the user their command
        sys.stderr.write(f"penlight: this process is not watched ({error!r})\n")


def _make_way() -> None:
    """Run the sitecustomize that Python would have found without us."""
    here = os.path.realpath(__file__)
    sys.path[:] = [x for x in sys.path if os.path.realpath(f"{x}{os.sep}sitecustomize.py") != here]
    spec = importlib.machinery.PathFinder.find_spec("sitecustomize")
    if spec is not None and spec.loader is not None:
        module = importlib.util.module_from_spec(spec)
        sys.modules["sitecustomize"] = module
        spec.loader.exec_module(module)


_arm()
_make_way()
