"""What every node shares: life, heartbeat, checked parameters, names of topics."""
