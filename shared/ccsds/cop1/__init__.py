"""COP-1: sender (FOP-1), receiver (FARM-1) and what they say to each other."""
