"""Flows: what marketers write, compiled, and the pure function that runs it. Imports domain only."""
