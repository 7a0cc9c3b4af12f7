"""`python -m penlight` is `penlight`."""

from __future__ import annotations

from penlight.cli import main

if __name__ == "__main__":
    main()
