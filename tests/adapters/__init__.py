"""The contract suite: what ports.py promises, kept in RAM, on moto and on MiniStack."""
