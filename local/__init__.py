"""Rekindle on one machine: the real template on an emulator, a clock that skips idle time, and an inbox to look at.

A development tool: nothing here is deployed. It reads the product through its public doors (the template, HTTP, the
AWS API) and may import anything.
"""
