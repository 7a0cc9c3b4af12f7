"""Remedies: one file each, found by walking this folder.

An edit is a frozen value with two faces. Its source face changes the text of the user's files and
touches nothing else in them; its live face changes a training that is in memory.
"""

from penlight.edits.edit import Edit, Refused, edit, edits, parse

__all__ = ["Edit", "Refused", "edit", "edits", "parse"]
