"""The report as a page: one self-contained HTML file, for disk, the live page and notebooks."""

from penlight.report.html.render import Arm, frame, page

__all__ = ["Arm", "frame", "page"]
