"""A listening probe under hundreds of messages, valid and hostile, over lines that lose and damage.

``python -m benchmarks.soak`` writes SOAK.md.
"""
