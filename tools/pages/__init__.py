"""One module for each generated page: `page()` returns its text, made from the code alone."""
