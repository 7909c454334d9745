"""The commands of `probe`."""
