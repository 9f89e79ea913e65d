"""The supervisor: where a procedure stands, what may move or flow, and the record of it."""
