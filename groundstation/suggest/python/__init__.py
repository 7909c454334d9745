"""Proposals for Python, and their proof."""
