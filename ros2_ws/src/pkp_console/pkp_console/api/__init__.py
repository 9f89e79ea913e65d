"""What the browser may ask, by subject."""
