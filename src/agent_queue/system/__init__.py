"""What touches the machine: disk, processes, git, clock. One module for each."""
