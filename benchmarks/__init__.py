"""Measurements of this project, each a module to run."""

from shared.system.interrupt import guard_module

guard_module()
