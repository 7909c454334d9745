"""Which code and strategy need the least station time."""
