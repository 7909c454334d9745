"""A pinned model as a source of frequencies, with n-grams of the tree mixed in."""
