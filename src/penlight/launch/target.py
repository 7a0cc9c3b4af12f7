"""What is to be run: a file or a module, found and compiled before anything is started."""

from __future__ import annotations

import importlib.util
import io
import os
import shutil
import sys
import traceback
import types
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from typing import Literal

from penlight.errors import PenlightError
from penlight.launch.texts import text_of


@dataclass(frozen=True, slots=True)
class Target:
    """A script as the user named it.

    Args:
        kind: "path" for `train.py`, "module" for `-m package.module`.
        name: the path or the dotted name.
    """

    kind: Literal["path", "module"]
    name: str

    def __str__(self) -> str:
        return f"-m {self.name}" if self.kind == "module" else self.name

    @property
    def argv(self) -> list[str]:
        """The words that stand for it on Python's command line."""
        return ["-m", self.name] if self.kind == "module" else [self.name]

    @property
    def label(self) -> str:
        """A short name for folders and titles: `train` for `src/train.py`."""
        if self.kind == "module":
            return self.name
        return Path(self.name).stem or "script"

    def check(self) -> None:
        """Refuse a file that cannot be run, before a run folder is made for it.

        A module is looked for only when it runs: that executes its parent packages.

        Raises:
            PenlightError: there is no such file, or it is not a Python script.
        """
        if self.kind == "path":
            read_script(self.name)


@dataclass(frozen=True, slots=True)
class Program:
    """Compiled code and the `__main__` module it belongs into."""

    code: types.CodeType
    module: types.ModuleType
    argv0: str


def load(target: Target, texts: Mapping[str, str] | None = None) -> Program:
    """Find and compile the target; give it a fresh `__main__` as Python itself would.

    Args:
        target: what to load.
        texts: contents by resolved path that take the place of the file's own. For a module
            `launch.texts.replaced` sees to it.

    Raises:
        PenlightError: it does not exist or is not Python.
        BaseException: whatever a parent package of a module raises while it is imported.
    """
    if target.kind == "module":
        return _load_module(target.name)
    return _load_path(target.name, texts or {})


def script_folder(path: str) -> str:
    """What Python puts first on `sys.path` for a script: its folder, links resolved."""
    return str(Path(os.path.realpath(path)).parent)


def read_script(path: str, texts: Mapping[str, str] | None = None) -> types.CodeType:
    """Compile a script file, or the text that takes its place.

    Raises:
        PenlightError: one sentence about why it cannot be run.
    """
    if Path(path).is_dir():
        raise PenlightError(
            f"{path} is a directory. Name the script inside it, or run a package with -m."
        )
    try:
        with io.open_code(_absolute(path)) as file:
            source = file.read()
    except FileNotFoundError:
        raise PenlightError(_not_there(path)) from None
    except OSError as error:
        raise PenlightError(f"Cannot read {path}: {error.strerror}.") from None
    if b"\0" in source:
        raise PenlightError(f"{path} is not a Python script: it holds binary data.", exit_code=1)
    try:
        text = text_of(_absolute(path), texts or {})
        return compile(source if text is None else text, _absolute(path), "exec", dont_inherit=True)
    except (SyntaxError, ValueError) as error:
        where = "".join(traceback.format_exception_only(type(error), error)).rstrip()
        raise PenlightError(
            f"{where}\n{path} is not valid Python, so it was not run.", exit_code=1
        ) from None


def _absolute(path: str) -> str:
    """As Python does it: not normalised, so `../train.py` keeps its dots."""
    return path if Path(path).is_absolute() else f"{Path.cwd()}{os.sep}{path}"


def _not_there(path: str) -> str:
    if os.sep not in path and shutil.which(path):
        return (
            f"There is no script {path!r} here. To watch a command, put -- before it: "
            f"penlight run -- {path} ..."
        )
    if path.startswith("-"):
        return f"No such option: {path}. `penlight run --help` lists them."
    return f"There is no file {path!r} in {Path.cwd()}."


def _load_path(path: str, texts: Mapping[str, str]) -> Program:
    code = read_script(path, texts)
    module = types.ModuleType("__main__")
    module.__file__ = _absolute(path)
    vars(module).update(
        __annotations__={},
        __builtins__=sys.modules["builtins"],
        __cached__=None,
        __loader__=SourceFileLoader("__main__", _absolute(path)),
        __spec__=None,
    )
    return Program(code, module, path)


def _load_module(name: str) -> Program:
    spec = _find(name)
    if spec.submodule_search_locations is not None:
        spec = _find(f"{name}.__main__")
    loader = spec.loader
    code = loader.get_code(spec.name) if isinstance(loader, importlib.abc.InspectLoader) else None
    if code is None:
        raise PenlightError(f"{name} cannot be run with -m: it has no Python code.", exit_code=1)
    module = types.ModuleType("__main__")
    vars(module).update(
        __annotations__={},
        __builtins__=sys.modules["builtins"],
        __cached__=spec.cached,
        __file__=spec.origin,
        __loader__=loader,
        __package__=spec.parent,
        __spec__=spec,
    )
    return Program(code, module, spec.origin or name)


def _find(name: str) -> ModuleSpec:
    try:
        spec = importlib.util.find_spec(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise  # a package on the way imports something that is missing: the user's own error
        spec = None
    except (ImportError, ValueError) as error:
        raise PenlightError(f"Cannot run -m {name}: {error}.", exit_code=1) from None
    if spec is None:
        raise PenlightError(
            f"There is no module {name!r} in {Path.cwd()} or on Python's path.", exit_code=1
        )
    return spec
