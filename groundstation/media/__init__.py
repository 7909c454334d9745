"""The ground's side of the media mode: learn a family of images, judge it, send it."""
