"""How long to wait for what should happen at once. A night on a busy machine takes its time."""

import os

PATIENCE_S = float(os.environ.get("AQ_CRASH_PATIENCE_S", "20"))
