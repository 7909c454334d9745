"""Keys, counters and signatures of the ground."""
