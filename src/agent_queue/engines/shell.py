"""Runs the job's body as a script: for chores, for trying a queue out, for tests."""

from collections.abc import Mapping

from agent_queue.engines.stream import PlainReader
from agent_queue.ports import Assignment, Command, Host, Place, Reader, StopWay

_LAUNCH = """\
while IFS= read -r line && [ -z "$line" ]; do :; done < "$1"
case $line in "#!"*) set -f; exec ${line#??} "$@" ;; esac
exec "$0" "$@"
"""
"""The interpreter that a `#!` line names, else the shell itself, with the script and its arguments.

The script is no executable file, so the kernel cannot do it. Empty lines may stand first, as they do after frontmatter.
"""


class Shell:
    name = "shell"
    programs: tuple[str, ...] = ("sh",)
    bin_variable = "SHELL_BIN"
    environment: tuple[str, ...] = ()
    stop = StopWay()
    silent = True
    script = True
    live: tuple[str, ...] = ()
    caps: tuple[str, ...] = ()
    hint = "part of every POSIX system, as /bin/sh"

    def command(self, assignment: Assignment, place: Place, host: Host) -> Command:  # noqa: ARG002
        """The script gets `args` as its arguments and nothing on stdin. `yolo` and `model` mean nothing to it."""
        program = assignment.program
        return Command(argv=(program, "-c", _LAUNCH, program, assignment.prompt_file, *assignment.args))

    def sidecars(self, assignment: Assignment, place: Place, env: Mapping[str, str]) -> tuple[str, ...]:  # noqa: ARG002
        return ()

    def interactive(self, program: str, conversation: str) -> tuple[str, ...]:  # noqa: ARG002
        return ()

    def reader(self) -> Reader:
        return PlainReader(judged_by_words=False)
