"""The status line: sparse, harmless, gone at the end."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest

from penlight.report.progress import Progress


class Stream(io.StringIO):
    def __init__(self, tty: bool) -> None:
        super().__init__()
        self.tty = tty

    def isatty(self) -> bool:
        return self.tty


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def pulse(step, **fields):
    values = {"loss": 0.5, "light": 2.5e-5, "cost_share": 0.004, "seconds": 12.0, **fields}
    return SimpleNamespace(step=step, **values)


@pytest.fixture(autouse=True)
def _terminal(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")


class Screen:
    """As much of a terminal as the status line needs: 6 rows, `\\n` also returns."""

    def __init__(self) -> None:
        self.rows = [[" "] * 80 for _ in range(6)]
        self.y = self.x = 0
        self.saved = (0, 0)

    def _down(self) -> None:
        if self.y == len(self.rows) - 1:
            self.rows = [*self.rows[1:], [" "] * 80]
        else:
            self.y += 1

    def feed(self, text: str) -> None:
        for token in re.findall(r"\x1b(?:\[\d*[A-Z]|.)|.|\n", text, re.S):
            self._take(token)

    def _take(self, token: str) -> None:
        match token:
            case "\n":
                self._down()
                self.x = 0
            case "\r":
                self.x = 0
            case "\x1bD":
                self._down()
            case "\x1b[A":
                self.y = max(0, self.y - 1)
            case "\x1b[B":
                self.y = min(len(self.rows) - 1, self.y + 1)
            case "\x1b7":
                self.saved = (self.y, self.x)
            case "\x1b8":
                self.y, self.x = self.saved
            case "\x1b[K":
                self.rows[self.y][self.x :] = [" "] * (80 - self.x)
            case "\x1b[2K":
                self.rows[self.y] = [" "] * 80
            case _:
                assert token.isprintable(), repr(token)
                self.rows[self.y][self.x] = token
                self.x += 1

    @property
    def shown(self) -> list[str]:
        lines = ["".join(row).rstrip() for row in self.rows]
        while lines and not lines[-1]:
            lines.pop()
        return lines


class Terminal(Stream):
    """A stream that shows what it gets on a screen, beside the script's own prints."""

    def __init__(self) -> None:
        super().__init__(True)
        self.screen = Screen()

    def write(self, text: str) -> int:
        self.screen.feed(text)
        return super().write(text)


def test_log_lines_at_powers_of_ten_and_every_minute():
    stream, clock = Stream(False), Clock()
    progress = Progress(stream, clock=clock)
    for step in range(1, 1200):
        progress.update(pulse(step))
    clock.now += 61
    progress.update(pulse(1200))
    progress.close()
    steps = [line.split()[2] for line in stream.getvalue().splitlines()]
    assert steps == ["1", "10", "100", "1,000", "1,200"]


def test_log_line_in_full():
    stream = Stream(False)
    Progress(stream).update(pulse(1))
    assert stream.getvalue() == (
        "penlight  step 1  loss 0.500  light 1 in 40,000  cost 0.4%  12 s\n"
    )


def test_unknown_values_are_left_out():
    stream = Stream(False)
    Progress(stream).update(pulse(1, loss=None, light=None, cost_share=None, seconds=None))
    assert stream.getvalue() == "penlight  step 1\n"


def test_steps_that_jump_over_a_power_of_ten():
    stream = Stream(False)
    progress = Progress(stream)
    for step in (7, 64, 640):
        progress.update(pulse(step))
    assert len(stream.getvalue().splitlines()) == 3


def test_terminal_redraws_four_times_a_second_and_clears():
    stream, clock = Terminal(), Clock()
    progress = Progress(stream, clock=clock)
    for step in range(1, 101):
        clock.now += 0.01
        progress.update(pulse(step))
    assert stream.getvalue().count("step") == 4
    progress.close()
    assert stream.screen.shown == []


def test_script_prints_stay_whole_and_status_goes_below():
    stream, clock = Terminal(), Clock()
    progress = Progress(stream, clock=clock)
    for epoch in range(9):  # more than the screen has rows
        clock.now += 1
        progress.update(pulse(epoch * 10 + 1))
        stream.screen.feed(f"epoch {epoch}\n")
    clock.now += 1
    progress.update(pulse(100))
    *lines, last = stream.screen.shown
    assert lines == [*(f"epoch {i}" for i in range(5, 9)), ""]
    assert last.lstrip() == "penlight  step 100  loss 0.500  light 1 in 40,000  cost 0.4%  12 s"
    progress.close()
    assert stream.screen.shown == [f"epoch {i}" for i in range(5, 9)]


def test_a_bar_that_is_drawn_over_itself_is_left_alone():
    stream, clock = Terminal(), Clock()
    progress = Progress(stream, clock=clock)
    for percent in (10, 20, 30):
        stream.screen.feed(f"\rtraining {percent}%")
        clock.now += 1
        progress.update(pulse(percent))
    assert stream.screen.shown[0] == "training 30%"
    stream.screen.feed(" done\n")
    progress.close()
    assert stream.screen.shown == ["training 30% done"]


def test_several_prints_at_once_stay_readable():
    stream = Terminal()
    progress = Progress(stream)
    progress.update(pulse(1))
    stream.screen.feed("epoch 1\nloss 2\n")
    assert stream.screen.shown[0] == "epoch 1"
    assert stream.screen.shown[1].startswith("loss 2   ")


def test_alert_stands_on_a_line_of_its_own_and_is_cleaned():
    stream = Terminal()
    progress = Progress(stream)
    progress.update(pulse(1))
    progress.alert("the loss is \x1b[31mnan\x1b[0m\nat step 3")
    progress.close()
    assert stream.screen.shown == ["", "penlight: the loss is nan at step 3"]


@pytest.mark.parametrize("method", ["write", "flush", "isatty"])
def test_a_broken_stream_is_left_alone(method, monkeypatch):
    stream = Stream(True)
    monkeypatch.setattr(stream, method, lambda *_: 1 / 0)
    progress = Progress(stream)
    progress.update(pulse(1))
    progress.alert("text")
    progress.close()


def test_a_closed_stream_and_a_wrong_pulse():
    stream = Stream(False)
    stream.close()
    Progress(stream).update(pulse(1))
    Progress(Stream(False)).update(object())  # type: ignore[arg-type]


def test_ascii_stream():
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    progress = Progress(stream)
    progress.alert("→ loss")
    stream.flush()
    assert raw.getvalue() == b"penlight: \\u2192 loss\n"


@pytest.mark.skipif(os.name == "nt", reason="select works on sockets only")
def test_a_full_pipe_does_not_stop_the_training():
    read, write = os.pipe()
    os.set_blocking(write, False)
    try:
        while True:
            os.write(write, b"x" * 4096)
    except BlockingIOError:
        os.set_blocking(write, True)
    with open(write, "w", encoding="utf-8") as stream:  # noqa: PTH123  a file descriptor
        progress = Progress(stream)
        began = time.monotonic()
        progress.update(pulse(1))
        progress.alert("text")
        assert time.monotonic() - began < 1
        os.read(read, 1 << 20)
    os.close(read)


def test_brings_nothing_into_the_training():
    code = (
        "import sys, penlight.report.progress; print({'numpy', 'rich', 'click'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
