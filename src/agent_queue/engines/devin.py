"""Devin CLI (`devin`). It cannot be had without an account: what stands here is from its documentation."""

from collections.abc import Mapping

from agent_queue.engines.stream import PlainReader
from agent_queue.ports import Assignment, Command, Host, Place, Reader, StopWay


class Devin:
    name = "devin"
    programs: tuple[str, ...] = ("devin",)
    bin_variable = "DEVIN_BIN"
    environment: tuple[str, ...] = ("DEVIN_*", "WINDSURF_API_KEY")
    stop = StopWay()
    silent = True
    """It prints its answer when it is done, as plain text, and neither a session id nor usage."""
    script = False
    live: tuple[str, ...] = ()
    caps: tuple[str, ...] = ()
    hint = "curl -fsSL https://cli.devin.ai/install.sh | bash, then log in once with `devin auth login`"

    def command(self, assignment: Assignment, place: Place, host: Host) -> Command:  # noqa: ARG002
        argv = [assignment.program, "-p", "--prompt-file", assignment.prompt_file]
        argv += ["--permission-mode", "dangerous" if assignment.manifest.yolo else "accept-edits"]
        argv += ["--model", assignment.model] if assignment.model else []
        # Print mode cannot ask whether it may trust a folder it has never seen, and refuses it.
        argv += ["--respect-workspace-trust", "false"]
        argv += ["-r", assignment.resume_id] if assignment.resume_id else []
        return Command(argv=(*argv, *assignment.args))

    def sidecars(self, assignment: Assignment, place: Place, env: Mapping[str, str]) -> tuple[str, ...]:  # noqa: ARG002
        return ()

    def interactive(self, program: str, conversation: str) -> tuple[str, ...]:
        return (program, "-r", conversation)

    def reader(self) -> Reader:
        return PlainReader(judged_by_words=True)
