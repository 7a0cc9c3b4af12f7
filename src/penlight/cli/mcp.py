"""`penlight mcp`: the tools of an agent, over stdin and stdout."""

from __future__ import annotations

import click

from penlight.errors import PenlightError


@click.command("mcp")
def command() -> None:
    """Serve Penlight to an agent by the Model Context Protocol, over stdin and stdout.

    An agent's configuration names this command; it is of no use by hand. The agent can run
    scripts with it, as you can.
    """
    try:
        from penlight.integrations.mcp import server
    except ImportError as error:
        raise PenlightError(
            f"penlight mcp needs the MCP SDK ({error.name} is missing): pip install 'penlight[mcp]'"
        ) from None
    server.run()
