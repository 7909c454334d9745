"""Where changes sit: hunks, spans within lines, paths."""
