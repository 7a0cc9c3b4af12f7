"""Tries edits before anybody is told to make them: paired runs of the patched script itself."""
