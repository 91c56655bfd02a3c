"""Making a queue on disk."""

import os

from agent_queue.core.errors import AqError
from agent_queue.system import kernel
from agent_queue.system.files import Disk
from agent_queue.system.layout import Layout
from agent_queue.system.storage import storage_error

CONFIGURATION = """\
# agent-queue configuration; every line is optional. Run `aq doctor` after changing it.

# [defaults]                 # any key of a job file
# engine = "claude"
# verify = ["make test"]

# [run]
# slots = 3                  # jobs at a time
# stall_after = "10m"        # mark an agent that is silent for this long
# stop_grace = "10s"         # from the stop signal to SIGKILL
# checkpoint_every = "60s"   # how often work is saved while an agent runs

# [engines.claude]
# model = "claude-sonnet-4-5"

# [lanes.claude]
# hours = "22:00-06:00"      # when it starts jobs, local time

# [limits]
# memory = "8GB"             # of one job's processes together

# [notify]
# command = "cat >> ~/aq.log"  # called with JSON when a job needs you, a lane parks or opens, all is done

# [classes]                  # what `engine-class` may name, best engine first
# agentic-coder = ["claude", "codex"]

# [env]
# pass = ["GH_TOKEN"]        # further variables that agents may see
"""


def create(layout: Layout) -> bool:
    """Make every folder that is missing, and the configuration; False when nothing was.

    Raises:
        AqError: the file system cannot keep a queue safe, or cannot be written.
    """
    if layout.exists():
        return False
    above = layout.root
    while not os.path.isdir(above):
        above = os.path.dirname(above)
    kind = kernel.file_system(above)
    if kind in kernel.NETWORK_FILE_SYSTEMS:
        hint = "give a folder on a local disk with --root or AGENT_QUEUE_ROOT"
        raise AqError(f"{layout.root} is on {kind}, whose locks and renames a queue cannot rely on", hint=hint)
    try:
        disk = Disk(layout.scratch)
        for folder in layout.folders():
            disk.folder(folder)
        disk.create([(layout.settings, CONFIGURATION.encode())])
    except OSError as error:
        raise storage_error(error, layout.root) from error
    return True
