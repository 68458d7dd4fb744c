"""Reports as pages: one file each, with everything in it, that opens anywhere and asks nothing of the network."""

from rekindle.cli.report.page import render

__all__ = ["render"]
