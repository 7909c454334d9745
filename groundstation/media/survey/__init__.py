"""Which pictures of a folder are a family, and what it would save."""
