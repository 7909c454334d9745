"""The tree in use, the one being staged, and how they change places."""
