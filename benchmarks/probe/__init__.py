"""Measures what a probe needs: disk, memory, time."""
