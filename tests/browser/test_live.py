"""The live page: it follows a growing run, outlives it, and lets in whom it should."""

from __future__ import annotations

import asyncio
import shutil
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import uvicorn
from playwright.sync_api import expect

from penlight.cli import live as cli
from penlight.core.facts import End, Header, Module
from penlight.core.vocabulary import LOSS, OUTPUT_GRAD
from penlight.errors import PenlightError
from penlight.report.html.live import Watch, app
from penlight.store.writer import Writer

LOOK = 0.05
WAIT = 30_000  # milliseconds; a machine may be busy


class Growing:
    """A run on disk that a test lets grow."""

    def __init__(self, root: Path, name: str = "20260101-000000-train-aaaa") -> None:
        self.folder = root / name
        self.folder.mkdir(parents=True)
        self.sink = Writer(self.folder / "rank0.seg")
        self.sink.event(Header(script="train.py", torch="2.13.0").to_event())
        for i in range(4):
            self.sink.event(Module(name=f"net.{i}", type="Linear", order=i).to_event())
        self.step = 0

    def grow(self, steps: int) -> None:
        for _ in range(steps):
            self.sink.points(LOSS.name, "SGD#0", [self.step], [2.0 * 0.99**self.step])
            for i in range(4):
                self.sink.points(OUTPUT_GRAD.name, f"net.{i}", [self.step], [0.5 ** (3 - i)])
            self.step += 1
        self.sink.flush()

    def end(self) -> None:
        self.sink.event(End(script_exit=0, steps=self.step).to_event())
        self.sink.close()


@pytest.fixture
def serve() -> Iterator[object]:
    """Serve a folder from a thread; the address."""
    running: list[tuple[uvicorn.Server, threading.Thread]] = []

    def start(root: Path, **options: object) -> str:
        listener = cli.listen("127.0.0.1", 0)
        config = uvicorn.Config(
            app(root, look=LOOK, **options),  # type: ignore[arg-type]
            log_level="warning",
            timeout_graceful_shutdown=1,
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        running.append((server, thread))
        return f"http://127.0.0.1:{listener.getsockname()[1]}"

    yield start
    for server, thread in running:
        server.should_exit = True
        thread.join(10)


def get(url: str, **headers: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=60) as r:
            return r.status, r.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def state(folder: Path) -> dict[str, tuple[int, int]]:
    return {x.name: (x.stat().st_size, x.stat().st_mtime_ns) for x in folder.iterdir()}


def test_the_page_follows_a_growing_run(tmp_path, serve, visit):
    run = Growing(tmp_path)
    run.grow(20)
    address = serve(tmp_path)
    seen = visit(f"{address}/run/{run.folder.name}")
    page = seen.page
    expect(page.locator("#pulse")).to_have_text("step 20", timeout=WAIT)
    page.locator("details summary").first.click()
    page.locator(".pane[data-layer='2']").focus()
    run.grow(30)
    expect(page.locator("#pulse")).to_have_text("step 50", timeout=WAIT)
    assert "50 training steps" in page.locator(".crumb").inner_text()
    assert page.locator("details[open]").count() == 1
    assert page.evaluate("document.activeElement.dataset.layer") == "2"
    assert page.locator("#light .pane").count() == 4
    before = state(run.folder)
    run_files = set(before)
    run.end()
    expect(page.locator("#pulse")).to_have_text("finished", timeout=WAIT)
    assert set(state(run.folder)) == run_files, "a reader writes nothing"
    assert all(url.startswith(address) for url in seen.requests)


def test_a_truncated_and_a_vanished_run_leave_what_was_seen(tmp_path, serve, visit):
    run = Growing(tmp_path)
    run.grow(40)
    segment = run.folder / "rank0.seg"
    half = segment.stat().st_size
    run.grow(40)
    page = visit(f"{serve(tmp_path)}/run/{run.folder.name}").page
    expect(page.locator("#pulse")).to_have_text("step 80", timeout=WAIT)
    whole = segment.read_bytes()
    segment.write_bytes(whole[: half + 30])
    expect(page.locator("#main")).to_contain_text("end of the rec", timeout=WAIT)
    shutil.rmtree(run.folder)
    expect(page.locator("#pulse")).to_contain_text("cannot be read", timeout=WAIT)
    assert page.locator("#light .pane").count() == 4
    run.folder.mkdir()
    segment.write_bytes(whole)
    expect(page.locator("#pulse")).to_have_text("step 80", timeout=WAIT)


def test_the_list_shows_new_runs_by_itself(tmp_path, serve, visit):
    address = serve(tmp_path)
    page = visit(address).page
    assert "No runs yet" in page.locator("h1").inner_text()
    Growing(tmp_path, "20260101-000000-first-aaaa").grow(3)
    expect(page.locator(".runs tbody tr")).to_have_count(1, timeout=WAIT)
    (tmp_path / "20260101-000001-bad-bbbb").mkdir()
    (tmp_path / "20260101-000001-bad-bbbb" / "rank0.seg").write_bytes(b"nonsense")
    expect(page.locator(".runs tbody tr")).to_have_count(2, timeout=WAIT)
    page.locator(".runs a").click()
    page.wait_for_selector("#loss canvas")
    page.locator(".back").click()
    page.wait_for_selector(".runs")


def test_only_runs_of_the_folder_are_served(tmp_path, serve):
    Growing(tmp_path / "inside").grow(1)
    Growing(tmp_path, "secret").grow(1)
    address = serve(tmp_path / "inside")
    assert get(f"{address}/")[0] == 200
    for path in ("../secret", "..%2Fsecret", "%2e%2e/secret", "secret", "nothing", "%00"):
        assert get(f"{address}/run/{path}")[0] == 404, path
        assert get(f"{address}/run/{path}/events")[0] == 404, path


def test_a_stranger_needs_the_token(tmp_path, serve, visit):
    run = Growing(tmp_path)
    run.grow(5)
    address = serve(tmp_path, token="sesame")
    for path in ("/", "/events", f"/run/{run.folder.name}", f"/run/{run.folder.name}/events"):
        assert get(address + path)[0] == 403
        assert get(f"{address}{path}?token=wrong")[0] == 403
    page = visit(f"{address}/run/{run.folder.name}?token=sesame").page
    expect(page.locator("#pulse")).to_have_text("step 5", timeout=WAIT)
    assert "sesame" not in page.url
    assert "sesame" not in page.evaluate("document.cookie")


def test_another_name_for_this_machine_is_refused(tmp_path, serve):
    """A page elsewhere may have its own name point to 127.0.0.1 and try to read along."""
    address = serve(tmp_path, hosts=cli.HOME)
    assert get(address)[0] == 200
    assert get(address, Host="evil.example")[0] == 400


def test_many_pages_cost_as_much_as_one(tmp_path):
    """A run is read once for all pages, and not at all while it does not grow."""
    run = Growing(tmp_path)
    run.grow(10)
    reads = 0

    class Counted(Watch):
        def _read(self) -> str:
            nonlocal reads
            reads += 1
            return super()._read()

    async def five() -> None:
        watch = Counted(run.folder, look=0.0)
        for _ in range(3):
            messages = await asyncio.gather(*(watch.message() for _ in range(5)))
            assert len({id(m) for m in messages}) == 1
        assert reads == 1
        run.grow(1)
        watch._again = 0.0
        await watch.message()
        assert reads == 2

    # A thread of its own: Playwright keeps a loop in this one.
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, five()).result()


def test_the_command_prints_its_address_and_ends(tmp_path):
    run = Growing(tmp_path)
    run.grow(2)
    before = state(run.folder)
    process = subprocess.Popen(
        [sys.executable, "-m", "penlight", "live", str(run.folder), "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        assert address.startswith("http://127.0.0.1:")
        assert address.endswith(run.folder.name)
        for _ in range(100):
            try:
                status, text = get(address)
                break
            except urllib.error.URLError:
                pass
        assert status == 200
        assert "train.py" in text
    finally:
        process.terminate()
        process.communicate(timeout=20)
    assert state(run.folder) == before


def test_another_address_gets_a_token():
    assert cli.loopback("127.0.0.1")
    assert cli.loopback("::1")
    assert cli.loopback("localhost")
    assert not cli.loopback("0.0.0.0")
    assert not cli.loopback("example.org")


def test_a_taken_port_and_a_wrong_address(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with cli.listen("127.0.0.1", port) as other:
            assert other.getsockname()[1] != port
    with pytest.raises(PenlightError, match="Cannot listen"):
        cli.listen("203.0.113.1", 0)
    with pytest.raises(PenlightError, match="There is no folder"):
        cli.command.main([str(tmp_path / "none")], standalone_mode=False)


def test_a_missing_server_gives_the_install_line(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(PenlightError, match=r"pip install 'penlight\[live\]'"):
        cli.command.main([str(tmp_path)], standalone_mode=False)
