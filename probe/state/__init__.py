"""What the probe keeps on disk, and how it changes all at once."""
