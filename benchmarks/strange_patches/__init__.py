"""Patches of other people's tools, against what git makes of them."""
