"""Trying flows on events that have happened: the production engine under a virtual clock.

`people` finds out who is who, `replay` lives through one person's events, `tally` counts what came of it, and
`findings` says it. Pure: files, processes and pages are the command's (`rekindle.cli.simulate`).
"""
