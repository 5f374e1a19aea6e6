"""An alert as text."""
