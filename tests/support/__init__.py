"""Real servers on loopback, and the processes that tests talk to."""
