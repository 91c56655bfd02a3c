"""Write the generated pages of docs/ from the code they describe, or with --check say which are stale.

Run by `make docs` and `make check`. A page that the code has outgrown (a key without an example, a command that is
listed and not there) is an error here, not a gap in the page.
"""

import difflib
import sys
from pathlib import Path

from pages import commands, configuration, engines, failures, journal, lifecycle, manifest, reliability, tracker

ROOT = Path(__file__).resolve().parent.parent
HEADER = "<!-- Made by `make docs` from {source}; edit that instead. -->\n\n"
RELIABILITY_HEADER = (
    "<!-- Made by `make docs` from docs/reliability.json, which `make crash` and `make nightly` write. -->\n\n"
)
REFERENCE = {
    "manifest": (manifest.page, "src/agent_queue/core/manifest.py"),
    "commands": (commands.page, "src/agent_queue/cli"),
    "configuration": (configuration.page, "src/agent_queue/core/settings.py"),
    "engines": (engines.page, "src/agent_queue/engines"),
    "failures": (failures.page, "src/agent_queue/core/outcome.py"),
    "journal": (journal.page, "src/agent_queue/core/history.py"),
    "tracker": (tracker.page, "src/agent_queue/core/label_map.py"),
}
RELIABILITY = ROOT / "docs/reliability.md"
LIFECYCLE = ROOT / "docs/explanation/lifecycle.md"


def wanted() -> dict[Path, str]:
    """Every generated file with the text it should have; lifecycle.md keeps what people wrote around its block."""
    files = {
        ROOT / f"docs/reference/{name}.md": HEADER.format(source=source) + page()
        for name, (page, source) in REFERENCE.items()
    }
    files[RELIABILITY] = RELIABILITY_HEADER + reliability.page()
    files[LIFECYCLE] = lifecycle.renewed(LIFECYCLE.read_text(encoding="utf-8"))
    return files


def main() -> int:
    check = sys.argv[1:] == ["--check"]
    stale = 0
    for path, text in wanted().items():
        old = path.read_text(encoding="utf-8") if path.exists() else ""
        if old == text:
            continue
        stale += 1
        name = str(path.relative_to(ROOT))
        if check:
            print(f"{name} is stale; `make docs` writes it anew")
            diff = difflib.unified_diff(old.splitlines(True), text.splitlines(True), name, name)
            sys.stdout.writelines(list(diff)[:40])
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            print(f"wrote {name}")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
