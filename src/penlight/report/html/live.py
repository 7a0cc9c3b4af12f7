"""The live page: the report of a run that is still going on, and a list of all runs in a folder.

A reader only: nothing is ever written below the folder. However many pages are open, each run is
read and diagnosed once for all of them, and at most a tenth of one core goes into it.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from pathlib import Path
from time import perf_counter
from urllib.parse import quote

from markupsafe import escape
from sse_starlette import EventSourceResponse
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from penlight.diagnosis import diagnose
from penlight.errors import PenlightError
from penlight.report import told
from penlight.report import words as w
from penlight.report.html.fixes import stored
from penlight.report.html.render import Arm, content, embedded, shell, template
from penlight.store.folder import RunInfo, list_runs
from penlight.store.reader import load

LOOK = 1.0  # seconds between two looks at a file's size
SHARE = 10.0  # a look that took t seconds is followed by a rest of at least 10 t
Stamp = tuple[tuple[str, int, int], ...]


class Watch:
    """One run, read at most once for each time that its files have changed.

    Args:
        folder: the run's folder.
        look: seconds between two looks.
    """

    def __init__(self, folder: Path, look: float = LOOK) -> None:
        self.folder = folder
        self.stamp: Stamp | None = None
        self._look = look
        self._message = ""
        self._again = 0.0
        self._lock = asyncio.Lock()

    async def message(self) -> str:
        """What a page shows now, as JSON: `inside` and `data`, or `gone` with the reason."""
        async with self._lock:
            now = perf_counter()
            if now >= self._again:
                stamp = await asyncio.to_thread(stamp_of, self.folder)
                if stamp != self.stamp or not self._message:
                    self._message = await asyncio.to_thread(self._read)
                    self.stamp = stamp
                spent = perf_counter() - now
                self._again = perf_counter() + max(self._look, SHARE * spent)
            return self._message

    def _read(self) -> str:
        try:
            run = load(self.folder)
            arm = Arm(run, diagnose(run))
            inside, data = content(arm, fix=stored(self.folder), folder=str(self.folder))
        except PenlightError as error:
            return json.dumps({"gone": w.clean(str(error))})
        except Exception as error:  # a fault of ours must not end the page of a run that goes on
            return json.dumps({"gone": w.clean(f"A fault of Penlight: {error!r}")})
        state = "finished" if run.end is not None else f"step {run.steps:,}"
        # `data` goes through the same strict encoder as in a file.
        return (
            f'{{"inside":{json.dumps(inside)},"state":{json.dumps(state)},"data":{embedded(data)}}}'
        )


def stamp_of(folder: Path) -> Stamp:
    """Size and time of everything that the page of a run is made of; empty when it is gone."""
    found = []
    for path in (*sorted(folder.glob("*.seg")), folder / "fix.json"):
        try:
            stat = path.stat()
        except OSError:
            continue
        found.append((path.name, stat.st_size, stat.st_mtime_ns))
    return tuple(found)


def app(
    root: Path, *, token: str = "", hosts: Sequence[str] = ("*",), look: float = LOOK
) -> Starlette:
    """The web application.

    Args:
        root: the folder that holds run folders.
        token: what every visitor must show, by `?token=` once; nobody is asked when it is empty.
        hosts: names by which the server may be called. Without a token they must be those of this
            machine, or a page elsewhere could have its own name point here and read along.
        look: seconds between two looks at a run.
    """
    pages = Pages(root, look)
    guards = [Middleware(TrustedHostMiddleware, allowed_hosts=list(hosts))]
    if token:
        guards.append(Middleware(Token, token=token))
    routes = [
        Route("/", pages.index),
        Route("/events", pages.index_events),
        Route("/run/{name}", pages.report),
        Route("/run/{name}/events", pages.report_events),
    ]
    return Starlette(routes=routes, middleware=guards)


class Pages:
    """What the addresses answer with; `app` tells the arguments."""

    def __init__(self, root: Path, look: float) -> None:
        self._root = root
        self._look = look
        self._watches: dict[str, Watch] = {}

    async def index(self, _: Request) -> Response:
        """The list of runs."""
        inside = await asyncio.to_thread(run_list, self._root)
        return HTMLResponse(shell("Runs", inside, live="/events"))

    async def index_events(self, _: Request) -> Response:
        """The list again, whenever it has changed."""
        return EventSourceResponse(self._list_changes())

    async def report(self, request: Request) -> Response:
        """The page of one run."""
        watch = await asyncio.to_thread(self._watch, request.path_params["name"])
        if watch is None:
            return _nothing()
        first = json.loads(await watch.message())
        inside = first.get("inside") or f'<p class="wrap trouble">{escape(first["gone"])}</p>'
        data = first.get("data") or {"arms": []}
        name = watch.folder.name
        return HTMLResponse(shell(name, inside, data, live=f"/run/{quote(name)}/events", back="/"))

    async def report_events(self, request: Request) -> Response:
        """The inside of that page again, whenever the run has grown."""
        watch = await asyncio.to_thread(self._watch, request.path_params["name"])
        return _nothing() if watch is None else EventSourceResponse(self._changes(watch))

    async def _list_changes(self) -> AsyncIterator[dict[str, str]]:
        last = ""
        while True:
            inside = await asyncio.to_thread(run_list, self._root)
            if inside != last:
                last = inside
                yield {"data": json.dumps({"inside": inside, "state": "watching", "data": {}})}
            await asyncio.sleep(2 * self._look)

    async def _changes(self, watch: Watch) -> AsyncIterator[dict[str, str]]:
        last = ""
        while True:
            message = await watch.message()
            if message is not last:
                last = message
                yield {"data": message}
            await asyncio.sleep(self._look)

    def _watch(self, name: str) -> Watch | None:
        """Only what the list shows can be asked for: no name leads out of the folder."""
        if name not in self._watches:
            known = {info.name: info.path for info in list_runs(self._root)}
            if name not in known:
                return None
            self._watches[name] = Watch(known[name], self._look)
        return self._watches[name]


class Token:
    """Lets in who shows the token in the address, and whoever has the cookie that follows."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app = app
        self._token = token
        # Cookies do not know ports: two servers on one machine must not take each other's.
        self._cookie = f"penlight-{hashlib.sha256(token.encode()).hexdigest()[:8]}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, send it on, or turn it away."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        answer: ASGIApp = self._app
        if not self._is(request.cookies.get(self._cookie, "")):
            if self._is(request.query_params.get("token", "")):
                moved = RedirectResponse(request.url.path, status_code=303)
                moved.set_cookie(self._cookie, self._token, httponly=True, samesite="strict")
                answer = moved
            else:
                answer = PlainTextResponse(
                    "The address needs its token: open the one that penlight live printed.", 403
                )
        await answer(scope, receive, send)

    def _is(self, given: str) -> bool:
        return hmac.compare_digest(given.encode(), self._token.encode())


def run_list(root: Path) -> str:
    """The list of all runs, newest first, as HTML."""
    rows = [
        {
            "name": info.name,
            "href": f"/run/{quote(info.name)}",
            "script": w.clean(info.script),
            "started": datetime.fromtimestamp(info.started).astimezone().strftime("%Y-%m-%d %H:%M"),
            "steps": info.steps,
            "state": info.state,
            "verdict": w.clean(_verdict(info)),
        }
        for info in list_runs(root)
    ]
    return template("runs.html").render(rows=rows, root=str(root))


def _verdict(info: RunInfo) -> str:
    return "" if info.state == "running" else told.stored_verdict(info.path)


def _nothing() -> Response:
    return PlainTextResponse("There is no such run.", 404)
