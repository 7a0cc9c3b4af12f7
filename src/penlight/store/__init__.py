"""Keeps a run: one folder, append-only, readable while it is written."""
