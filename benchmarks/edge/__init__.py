"""Measures an edge behind nginx, under load and through restarts."""
