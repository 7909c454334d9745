"""Measures the link: missions by the thousand, and LDPC codes."""
