"""Measures models: quality, speed, what specialising brings."""
