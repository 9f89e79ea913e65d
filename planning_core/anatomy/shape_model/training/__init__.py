"""From label masks and meshes to shape models."""
