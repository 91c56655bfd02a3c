"""agent-queue: a queue of markdown files that runs AI coding agents unattended."""

__version__ = "0.1.0"
