"""A message regenerated on the ground, each decision seen."""
