"""Apprise's plugins."""
