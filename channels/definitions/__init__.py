"""From YAML to targets."""
