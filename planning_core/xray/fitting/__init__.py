"""A vertebra's shape laid over X-ray images."""
