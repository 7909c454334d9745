"""Cold storage: the pictures of a family as one file that tells what it holds and mends itself."""
