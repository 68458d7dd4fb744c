"""The words of Rekindle as values: facts, events, profiles, consent, ids, errors.

Pure: imports the standard library and msgspec only, does no I/O, reads no clock.
"""
