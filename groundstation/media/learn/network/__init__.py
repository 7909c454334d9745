"""T1: learning a style network that says how much of each plane a picture shows."""
