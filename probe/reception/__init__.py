"""From bytes on a line to whole messages."""
