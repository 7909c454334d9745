"""Where a corpus comes from: archives, histories and texts."""
