"""Measures bytes a patch against classical deltas."""
