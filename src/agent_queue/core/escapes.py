"""How programs colour and move what they print: escape sequences of terminals, as patterns to find them by."""

CONTROL_SEQUENCE = r"\x1b\[[0-9;?]*[ -/]*[@-~]"
"""A colour, a move of the cursor and the like (CSI)."""
SYSTEM_COMMAND = r"\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?"
"""A title of the window, a link and the like (OSC)."""
ESCAPES = f"{CONTROL_SEQUENCE}|{SYSTEM_COMMAND}"
