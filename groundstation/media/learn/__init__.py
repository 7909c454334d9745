"""From a family of pictures to an exact generator."""
