"""Penlight as a guest: in training frameworks, in trackers, on histories that others have kept.

One file each, under the conventions of the place. None of them is imported before it is asked
for, and none of their packages is needed by Penlight itself.
"""
