"""A patch on its whole way, with real software and the real commands: ``make demo``."""

from shared.system.interrupt import guard_module

guard_module()
