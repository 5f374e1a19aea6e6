"""Alert channels: what takes an alert, and what becomes of it."""
