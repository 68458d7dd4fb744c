"""What several commands read from the command line."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import click


class Moment(click.ParamType[datetime]):
    """A date or a time in ISO 8601; UTC where it names no zone, and a date is its first moment."""

    name = "DATE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Return the moment, aware, UTC."""
        if isinstance(value, datetime):
            return value
        try:
            read = datetime.fromisoformat(str(value))
            return read.astimezone(UTC) if read.tzinfo is not None else read.replace(tzinfo=UTC)
        except (ValueError, OverflowError):
            self.fail(f"{value} is no date: write 2026-03-31 or 2026-03-31T09:00Z", param, ctx)


#: Of every command that works on a deployed stack, and on nothing else.
STACK = click.option(
    "--stack",
    required=True,
    envvar="REKINDLE_STACK",
    help="The name of the deployed stack, such as rekindle-prod; or set REKINDLE_STACK.",
)
