"""What the demonstration is about: a repository, five jobs for it, and how each of them must end."""

from collections.abc import Mapping
from dataclasses import dataclass

REPOSITORY: Mapping[str, str] = {
    "README.md": "# Shop\n\nWhat is sold, and for how much.\n",
    "prices.txt": "apple 120\npear 95\n",
    "total.sh": "echo 0  # later\n",
    "VERSION": "1.0.0\n",
}

CONFIGURATION = """\
[defaults]
engine = "shell"      # a job's body is a script; with "claude" or "codex" it would be an instruction

[run]
stop_grace = "1s"

[env]
pass = ["AQ_DEMO"]    # by this mark the demonstration finds out whether any process was left behind
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """One job and its ending. `contains` maps paths on its branch to a text that must be in them."""

    name: str
    manifest: str
    body: str
    stage: str
    result: str
    attempts: int
    contains: Mapping[str, str]
    shows: str
    by_hand: bool = False
    after: str = ""
    """The name of the job that must have ended before this one started."""

    def text(self, cwd: str) -> str:
        """The job file."""
        return f"---\ncwd: {cwd}\n{self.manifest}---\n{self.body}"


SCENES = (
    Scene(
        name="changelog",
        manifest="priority: high\nlock: release\nverify: grep -q Unreleased CHANGELOG.md\nship: auto\n",
        body="""\
# Begin a changelog
sleep 3
printf '# Changelog\\n\\n## Unreleased\\n- prices of apples and pears\\n' > CHANGELOG.md
echo 'wrote CHANGELOG.md'
""",
        stage="shipped", result="shipped", attempts=1,
        contains={"CHANGELOG.md": "Unreleased"},
        shows="its verify passed, and `ship: auto` let it out",
    ),
    Scene(
        name="version",
        manifest="lock: release\nverify: grep -qx 1.1.0 VERSION\n",
        body="""\
# Raise the version to 1.1.0
echo 1.1.0 > VERSION
echo 'this is version 1.1.0'
""",
        stage="testing", result="testing", attempts=1,
        contains={"VERSION": "1.1.0"},
        shows="it shares the lock `release` with changelog, so it waited for it",
        after="changelog",
    ),
    Scene(
        name="fix-total",
        manifest="verify: test \"$(sh total.sh)\" = 215\nretry: {max: 1, backoff: 1s, on: [verify_failed]}\n",
        body="""\
# Make total.sh add up all prices
if grep -q awk total.sh; then
    echo 'an earlier run left a script that misses the first price; mending it'
    sed -i.old 's/NR > 1 //' total.sh && rm total.sh.old
else
    echo 'writing total.sh'
    echo "awk 'NR > 1 { sum += \\$2 } END { print sum }' prices.txt" > total.sh
fi
sleep 1
""",
        stage="testing", result="testing", attempts=2,
        contains={"total.sh": "awk '{ sum"},
        shows="its first verify failed; the retry went on from what the first run had left",
    ),
    Scene(
        name="guide",
        manifest="timeout: 4s\n",
        body="""\
# Write a guide in two chapters
mkdir -p docs
echo '# Guide: chapter 1, how to add a price' > docs/guide.md
echo 'wrote chapter 1; thinking about chapter 2'
sleep 600 &
wait
""",
        stage="failed", result="timeout", attempts=1,
        contains={"docs/guide.md": "chapter 1"},
        shows="stopped at its timeout of 4 s with all its processes; what it wrote is on its branch",
    ),
    Scene(
        name="thanks",
        manifest="",
        body="""\
# Thank those who tried it
printf '\\nThanks to everybody who tried this.\\n' >> README.md
sleep 1
""",
        stage="review", result="review", attempts=1,
        contains={"README.md": "Thanks"},
        shows="dropped into inbox/ while `aq run` ran; it has no verify, so it waits for a person",
        by_hand=True,
    ),
)  # fmt: skip
