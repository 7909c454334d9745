"""A patch on its whole way, with real software and the real commands: ``make demo``."""
