"""Thousands of missions flown, audited and reported."""
