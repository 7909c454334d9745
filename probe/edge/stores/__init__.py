"""Where an edge keeps records: LMDB or Redis."""
