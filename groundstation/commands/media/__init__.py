"""The commands of `groundstation media`."""
