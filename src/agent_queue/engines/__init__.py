"""One file for each agent program: build its command, read its output, judge its ending."""
