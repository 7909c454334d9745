"""Connections of the edge: deadlines, limits, logs."""
