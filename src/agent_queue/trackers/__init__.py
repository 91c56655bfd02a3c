"""One file for each tracker: read an item, set its status, comment on it. They build requests and read answers."""
