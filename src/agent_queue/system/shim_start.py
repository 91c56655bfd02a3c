"""Starts one shim where no warm parent does.

Run as `python -I -S shim_start.py PACKAGES FOLDER CWD OPTIONS PROGRAM ARGUMENT...`. PACKAGES is the folder that holds
this package; OPTIONS is `key=value` joined by `;`. Standard input, the log and the agent's environment are in place,
and the job's locks are inherited files.
"""

import posix
import sys

if __name__ == "__main__":
    sys.path.append(sys.argv[1])
    from agent_queue.system import shim

    pairs = (pair.partition("=") for pair in sys.argv[4].split(";"))
    shim.main(sys.argv[2], sys.argv[3], {key: value for key, _, value in pairs}, sys.argv[5:])
    posix._exit(0)  # noqa: SLF001
