"""Patches to train on: drawn from releases, histories and trees, named by digest.

``build`` makes a manifest, ``pairs`` gives its texts to a trainer, ``exclusion`` proves that what
is held out for judging is not in them.
"""

from __future__ import annotations
