"""Specialising the onboard model: examples, training, and adapters that pin exactly."""
