"""Which patches a corpus takes: licences, splits, nothing held out."""
