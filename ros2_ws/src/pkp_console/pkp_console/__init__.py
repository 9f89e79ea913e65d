"""The operator's console: plan, approve, watch and stop, in a browser."""
