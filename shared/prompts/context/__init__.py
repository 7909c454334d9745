"""The tokens that a model is shown."""
