"""What a surgeon looks at: one self-contained page and one picture."""
