"""Record the histories anew, where the engine is meant to decide otherwise from now on.

PYTHONPATH=layers/core .venv/bin/python -m tests.flow.record [name ...]
"""

from __future__ import annotations

import sys

from tests.support import histories


def main(chosen: list[str]) -> None:
    """Replay these histories (all, where none is named) and write down what is decided now."""
    for name in chosen or histories.names():
        history = histories.read(name)
        then, state = histories.play(history)
        changed = (history.get("then"), history.get("state")) != (then, state)
        histories.write(name, {**history, "then": then, "state": state})
        print(f"{name}: {'recorded anew' if changed else 'as it was'}")  # noqa: T201 - a command


if __name__ == "__main__":
    main(sys.argv[1:])
