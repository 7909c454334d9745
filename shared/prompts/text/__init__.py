"""Lines, blocks and files compared."""
