"""The budgets of DESIGN §8, measured: `make bench`. They are ratios, because machines differ; one run has both sides.

A measure is a function marked with `@measure` in any module of this package. It returns figures; `__main__` finds it,
runs it, prints a table and writes `out/bench.json`.
"""
