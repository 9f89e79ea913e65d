"""What healthy vertebral bodies look like, learned from a few spines: for a body that no sound neighbour stands beside."""
