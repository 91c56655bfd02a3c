"""Decisions, as values. Nothing here touches a file, a process, a clock or dice."""
