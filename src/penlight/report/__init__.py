"""Shows a diagnosis: one reader of it a module."""
