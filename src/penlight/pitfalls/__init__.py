"""The catalogue: one pitfall, one file, found by walking this folder."""
