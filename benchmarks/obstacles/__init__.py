"""Rounds of applying with obstacles thrown in."""
