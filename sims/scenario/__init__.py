"""A scenario's file, its schema and the presets."""
