"""Equivalent patches that cost fewer bytes: found, proven, counted; made only if wanted."""
