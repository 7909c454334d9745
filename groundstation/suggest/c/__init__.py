"""Proposals for C, and their proof."""
