"""The commands that make keys, sign again and change whom the probe trusts."""
