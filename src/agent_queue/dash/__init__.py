"""The terminal panel. It shows what it is given, and changes nothing."""
