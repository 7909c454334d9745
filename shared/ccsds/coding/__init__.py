"""Codes against bit errors: BCH, LDPC, randomiser."""
