"""termination_message."""
