"""Where jobs lie: one adapter for each kind of queue."""
