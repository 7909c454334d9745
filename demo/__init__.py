"""A patch on its whole way, with real software and the real commands: ``make demo``."""

from shared.interrupt import guard_module

guard_module()
