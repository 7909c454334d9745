"""The commands that get, pin and specialise models."""
