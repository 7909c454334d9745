"""Benches: a probe that runs by itself, on a line, driven and judged from the ground."""
