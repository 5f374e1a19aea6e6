"""How fast the engine is, beside what it stands on and what it replaces."""
