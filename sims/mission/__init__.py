"""One mission: two ends, what they carry, and how they try again."""
