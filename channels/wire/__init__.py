"""One try on the network."""
