"""The `rekindle` command, for laptops: it is not part of what is deployed. May import everything below it.

One module a command; each is imported only when its command runs. What goes wrong is one line on stderr and exit 2.
"""
