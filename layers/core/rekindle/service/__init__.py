"""What Rekindle does, one module a verb, over ports and pure code.

Never imports aws: tests and the simulator run all of it in RAM.
"""
