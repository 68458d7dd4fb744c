"""`python -m bench [word …]`: run the measures whose name contains a word, or all. Exits 1 when a budget is broken."""

from __future__ import annotations

import importlib
import json
import pkgutil
import sys

import bench
from bench.figures import MEASURES, ROOT, Figure


def main(words: list[str]) -> int:
    """Measure, print and write; return the exit status."""
    for module in pkgutil.iter_modules(bench.__path__):
        if module.name != "__main__":
            importlib.import_module(f"bench.{module.name}")
    figures: list[Figure] = []
    for function in MEASURES:
        if not words or any(word in function.__name__ for word in words):
            print(f"… {(function.__doc__ or function.__name__).splitlines()[0]}", file=sys.stderr, flush=True)
            figures += function()
    report = [{**figure._asdict(), "holds": figure.holds} for figure in figures]
    (ROOT / "out").mkdir(exist_ok=True)
    (ROOT / "out/bench.json").write_text(json.dumps(report, indent=2) + "\n", "utf-8")
    print_table(figures)
    return int(any(figure.holds is False for figure in figures))


def print_table(figures: list[Figure]) -> None:
    """Print one line a figure."""
    width = max((len(figure.name) for figure in figures), default=0)
    for figure in figures:
        verdict = {True: "holds", False: "BROKEN", None: ""}[figure.holds]
        budget = "" if figure.budget is None else f"≤ {figure.budget:g}"
        print(f"{figure.name:<{width}}  {figure.value:10.2f} {figure.unit:<6} {budget:>8}  {verdict}".rstrip())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
