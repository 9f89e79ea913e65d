"""What crosses the wire to each device: one table per device, read by its driver and by whatever answers it."""
