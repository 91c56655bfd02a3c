"""`python -m agent_queue` is `aq`."""

from agent_queue.cli import main

if __name__ == "__main__":
    main()
