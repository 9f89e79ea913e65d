"""Each figure the README quotes, as a command."""
