"""The demonstration: a small story that drives the real `aq` by its command line, as a person would."""
