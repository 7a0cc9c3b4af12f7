"""Penlight inside other people's tools. One tool, one file; each is imported by who uses it."""
