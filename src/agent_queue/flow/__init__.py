"""The story of a job, told with ports only: gather facts, ask the core, carry out the move."""
