"""What is asked of the disk: copies, attributes, barriers, clearing."""
