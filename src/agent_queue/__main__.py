"""`aq`, and `python -m agent_queue`."""

import signal
from typing import NoReturn


def main() -> NoReturn:
    """Run it. Until errors become words, Ctrl-C ends the process without one."""
    answered = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if answered:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from agent_queue.cli import main as run

    if answered:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    run()


if __name__ == "__main__":
    main()
