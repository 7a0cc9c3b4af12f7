"""`penlight live`: the report pages of a folder's runs, kept up to date by a small server."""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import quote

import click

from penlight.errors import PenlightError

PORT = 8777
HOME = ("127.0.0.1", "localhost", "[::1]")


@click.command("live")
@click.argument("folder", required=False, type=click.Path(path_type=Path))
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", default=PORT, show_default=True, help="Another free one if it is taken.")
def command(folder: Path | None, host: str, port: int) -> None:
    """Show the runs of a folder in the browser, also while they train.

    FOLDER holds runs, or is one; $PENLIGHT_DIR or .penlight unless given. The pages are served to
    this machine alone; with another --host, only to who has the address with its token.
    """
    try:
        import uvicorn

        from penlight.report.html.live import app
    except ImportError as error:
        raise PenlightError(
            f"penlight live needs a small web server ({error.name} is missing): "
            "pip install 'penlight[live]'"
        ) from None
    from penlight.store.folder import default_root
    from penlight.store.schema import segment_name

    root, path = (folder or default_root()).absolute(), "/"
    if (root / segment_name(0)).is_file():
        root, path = root.parent, f"/run/{quote(root.name)}"
    elif folder is not None and not root.is_dir():
        raise PenlightError(f"There is no folder {folder}: name one that holds runs, or is a run.")
    token = "" if loopback(host) else secrets.token_urlsafe(16)
    listener = listen(host, port)
    name = f"[{host}]" if ":" in host else host
    query = f"?token={token}" if token else ""
    click.echo(f"http://{name}:{listener.getsockname()[1]}{path}{query}")
    click.echo("Ctrl+C ends it; the runs go on.")
    with contextlib.suppress(OSError, AttributeError):
        os.nice(5)  # the training comes first
    hosts = ("*",) if token else (*HOME, name)
    server = uvicorn.Server(
        uvicorn.Config(
            app(root, token=token, hosts=hosts),
            log_level="critical",  # pages come and go, also in the middle of an answer
            # Open pages hold their streams: do not wait for them.
            timeout_graceful_shutdown=1,
        )
    )
    with contextlib.suppress(KeyboardInterrupt):
        server.run(sockets=[listener])


def loopback(host: str) -> bool:
    """Whether only this machine can reach the address."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def listen(host: str, port: int) -> socket.socket:
    """A listening socket at the port, or at a free one when another process has it.

    Raises:
        PenlightError: the address is not one of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    reason = ""
    for wanted in (port, 0):
        found = socket.socket(family, socket.SOCK_STREAM)
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            found.bind((host, wanted))
            found.listen(64)
            return found
        except (OSError, OverflowError) as error:
            found.close()
            reason = str(error)
    raise PenlightError(f"Cannot listen on {host} ({reason}): name an address of this machine.")
