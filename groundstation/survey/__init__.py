"""What the past commits of a repository would have cost."""
