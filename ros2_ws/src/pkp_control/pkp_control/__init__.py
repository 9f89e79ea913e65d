"""Robot arm and cement injector."""
