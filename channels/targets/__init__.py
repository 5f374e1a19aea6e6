"""What sends."""
