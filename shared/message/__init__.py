"""A message as bytes: envelope, wire form, recipe, and the checks in their order."""
