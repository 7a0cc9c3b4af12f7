"""The measurements: one function each, tensors in, 0-dim tensors out, nothing kept.

Definitions are in `penlight.core.vocabulary`. All functions work on detached tensors, leave their
arguments and all random-number generators untouched and never wait for the device.
"""
