"""Measures how fast drawn seeds are found."""
