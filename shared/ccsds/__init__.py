"""Telecommand framing of CCSDS: from the bytes of an envelope to the bits of a link, and back.

    envelope -> space packet -> segments -> transfer frames -> CLTUs       docs/link-frames.md

Pure functions on bytes, bits and frozen values; numpy is all that they need.  ``link`` has the
whole way in both directions, the other modules one layer each.
"""
