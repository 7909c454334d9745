"""Fits the constants of the codec to releases that nothing else uses."""
