"""A script under `penlight run` cannot tell that it does not run under python."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

WORLD = """
    import os, sys
    def here(): pass
    main = sys.modules["__main__"]
    print(sys.argv, sys.orig_argv, sys.path[0], os.getcwd())
    print(__name__, __file__, __package__, __doc__, __spec__ and __spec__.name)
    print(sorted(n for n in vars(main) if n.startswith("__")), type(__builtins__))
    print(type(__loader__).__name__, here.__code__.co_filename, main.here is here)
    print(sys.stdin.read())
"""


@pytest.mark.parametrize("words", [["a/s.py"], ["./a/../a/s.py", "--json", "x", "--", "-m", "y"]])
def test_a_script_sees_pythons_world(shell, alike, words):
    shell.write("a/s.py", WORLD)
    alike(*words, stdin="typed")


def test_a_linked_script_sees_pythons_world(shell, alike):
    shell.write("a/s.py", WORLD)
    (shell.folder / "link.py").symlink_to(shell.folder / "a" / "s.py")
    alike("link.py")


@pytest.mark.parametrize("name", ["pkg.mod", "pkg"])
def test_a_module_sees_pythons_world(shell, alike, name):
    shell.write("pkg/__init__.py", "import sys; print('parent', sys.argv, sys.path[0])")
    shell.write("pkg/helper.py", "WORD = 'relative import'")
    shell.write("pkg/mod.py", WORLD + "    from .helper import WORD; print(WORD)\n")
    shell.write("pkg/__main__.py", WORLD)
    alike("-m", name, "--strict", "-m")


@pytest.mark.parametrize(
    ("ending", "status"),
    [
        ("sys.exit()", 0),
        ("sys.exit(7)", 7),
        ("sys.exit(-1)", 255),
        ("sys.exit('the last word')", 1),
        ("raise SystemExit(True)", 1),
        ("import threading; threading.Thread(target=lambda: sys.exit(4)).start()", 0),
        ("try:\n    sys.exit(3)\nexcept SystemExit as e:\n    print('caught', e.code)", 0),
        ("import os; sys.stdout.flush(); os._exit(9)", 9),
        ("raise ValueError('broken')", 1),
    ],
)
def test_exit_status(shell, alike, ending, status):
    shell.write("s.py", f"import sys\nprint('hello')\n{ending}\n")
    plain, watched = alike("s.py")
    assert watched.returncode == status
    assert plain.stderr.strip() in watched.stderr


CRASH = """
    def inner():
        raise KeyError("lost")
    def outer():
        try:
            inner()
        except KeyError as error:
            raise RuntimeError("no way on") from error
    outer()
"""


def test_a_traceback_is_pythons_own(shell, alike):
    shell.write("s.py", CRASH)
    plain, watched = alike("s.py")
    assert watched.stderr.startswith(plain.stderr)
    assert "RuntimeError: no way on" in watched.stderr[len(plain.stderr) :]  # the report tells, too


def test_a_traceback_of_a_module_has_no_frames_of_ours(shell):
    shell.write("mod.py", CRASH)
    watched = shell.penlight("run", "-m", "mod")
    traceback = watched.stderr[: watched.stderr.rindex("RuntimeError: no way on\n")]
    assert traceback.count("mod.py") == 4
    assert "penlight" not in traceback.replace(str(shell.folder), "")


def test_the_scripts_own_excepthook_is_used(shell, alike):
    shell.write("s.py", "import sys\nsys.excepthook = lambda *a: print('mine', a[1])\n1 / 0\n")
    _, watched = alike("s.py")
    assert "Traceback" not in watched.stderr


def test_the_end_comes_in_pythons_order(shell, alike):
    shell.write(
        "s.py",
        """
        import atexit, pickle, threading, time
        from concurrent.futures import ThreadPoolExecutor

        class Thing:
            pass

        def work():
            time.sleep(0.2)
            print("thread")

        atexit.register(print, "first registered")
        atexit.register(lambda: print("pickled", len(pickle.dumps(Thing())) > 0))
        threading.Thread(target=work).start()
        pool = ThreadPoolExecutor(1)
        pool.submit(time.sleep, 0.1).add_done_callback(lambda _: print("pooled"))
        print("last line")
        """,
    )
    _, watched = alike("s.py")
    assert watched.stdout.split("\n")[-2] == "first registered"


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_multiprocessing(shell, alike, method):
    shell.write(
        "s.py",
        f"""
        import multiprocessing as mp

        class Job:
            def __init__(self, n):
                self.n = n

        def double(job):
            return job.n * 2, __name__, mp.current_process().daemon

        if __name__ == "__main__":
            with mp.get_context("{method}").Pool(2) as pool:
                print(pool.map(double, [Job(1), Job(2), Job(3)]))
        """,
    )
    _, watched = alike("s.py")
    assert watched.stderr.count("The run is kept in") == 1


def test_a_forked_child_reports_nothing(shell, alike):
    shell.write(
        "s.py",
        """
        import os, sys
        pid = os.fork()
        if pid:
            print("child left with", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
        else:
            print("child", flush=True)
            sys.exit(5)
        """,
    )
    _, watched = alike("s.py")
    assert watched.stderr.count("The run is kept in") == 1
    assert len(list((shell.folder / ".penlight").glob("*/rank0.seg"))) == 1


def test_an_interrupt_ends_the_script_and_the_diagnosis_still_comes(shell):
    shell.write("s.py", "import time\nprint('up', flush=True)\ntime.sleep(60)\n")
    process = subprocess.Popen(
        shell.command("run", "--json", "o.json", "s.py"),
        cwd=shell.folder, env=shell.env, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n"
    process.send_signal(signal.SIGINT)
    try:
        _, stderr = process.communicate(timeout=30)
    finally:
        process.kill()  # one that hangs would fail whatever test comes next, too
        process.communicate()
    assert process.returncode == 130
    assert "KeyboardInterrupt" in stderr
    assert "The run is kept in" in stderr
    assert (shell.folder / "o.json").exists()


WAITING = """
    import os, signal, sys, time
    try:
        {setup}
        print("up", flush=True)
        time.sleep(60)
    finally:
        print("unwound", flush=True)
"""


@pytest.mark.parametrize(
    ("setup", "status"),
    [
        ("pass", -signal.SIGTERM),
        ("signal.signal(signal.SIGTERM, lambda *_: sys.exit(5))", 5),
        ("os.fork() or (os.kill(os.getpid(), signal.SIGTERM), time.sleep(60))", -signal.SIGTERM),
    ],
)
def test_a_termination_is_pythons_own_after_a_last_word(shell, setup, status):
    shell.write("s.py", WAITING.format(setup=setup))
    ends = []
    for command in ([sys.executable, "s.py"], shell.command("run", "s.py")):
        process = subprocess.Popen(
            command,
            cwd=shell.folder, env=shell.env, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        assert process.stdout is not None
        first = process.stdout.readline()
        process.terminate()
        rest, stderr = process.communicate(timeout=30)
        ends.append((first + rest, process.returncode))
        assert process.returncode == status
    assert ends[0] == ends[1]
    assert stderr.count("The run is kept in") == 1


def test_a_script_may_move_and_shadow_and_close_what_it_likes(shell, alike):
    shell.write("queue.py", "raise ImportError('a file of the user, not the library')")
    shell.write(
        "s.py",
        """
        import os, sys, warnings
        os.mkdir("elsewhere"); os.chdir("elsewhere")
        warnings.simplefilter("error")
        sys.stderr = open(os.devnull, "w")
        sys.argv.clear(); sys.path.clear()
        print("done")
        """,
    )
    plain = shell.python("s.py")
    (shell.folder / "elsewhere").rmdir()
    watched = shell.penlight("run", "--json", "o.json", "s.py")
    assert (watched.stdout, watched.returncode) == (plain.stdout, 0), watched.stderr
    assert "The run is kept in" in watched.stderr
    assert (shell.folder / "o.json").exists()
