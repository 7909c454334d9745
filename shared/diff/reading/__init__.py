"""Patches of other tools, read to the last line or refused."""
