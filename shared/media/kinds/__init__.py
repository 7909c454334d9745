"""The kinds of generators, and how each draws: exactly, in integers."""
