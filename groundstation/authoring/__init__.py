"""From a tree and its target to a signed envelope, and what past searches taught."""
