"""Bits on the way: noise, passes, outages, survival of frames."""
