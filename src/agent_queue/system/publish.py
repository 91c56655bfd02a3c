"""Pushing a job's branch to a remote under a name of its own, and opening a pull request for it."""

import os
import subprocess
from dataclasses import dataclass

from agent_queue.core.errors import AqError, UnavailableError
from agent_queue.system import persons_git
from agent_queue.system.git import Git, lines
from agent_queue.system.host import find

LIMIT_S = 120
PROTECTED = frozenset(("main", "master", "trunk", "HEAD"))


class PublishError(AqError):
    """The remote, or we ourselves, refused it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pushed:
    """`url` is the remote's as git shows it, without a password; `new` is False when the remote had it all before."""

    branch: str
    remote: str
    url: str
    name: str
    commit: str
    new: bool


def push(repository: str, branch: str, *, name: str, remote: str, base: str, talk: bool) -> Pushed:
    """Push by a plain, never forced update of one branch; the person's own `pre-push` hook runs, as git-lfs needs it.

    Raises:
        PublishError: there is no such remote, the name is another's, or what lies there is not part of the branch.
        UnavailableError: the remote cannot be reached, or does not let us in.
    """
    git = Git(repository)
    known = lines(git.run("remote"))
    if remote not in known:
        there = f"there is {', '.join(known)}" if known else "`git remote add origin URL` adds one"
        raise PublishError(f"{repository} has no remote called {remote}", hint=there)
    _allow(git, name, remote, base)
    commit = git.run("rev-parse", "--verify", f"refs/heads/{branch}^{{commit}}")
    how = ("--porcelain", "--no-follow-tags", "--recurse-submodules=no", "--no-signed")
    said = persons_git.call(repository, "push", *how, remote, f"{commit}:refs/heads/{name}", talk=talk)
    rows = [row for row in said.output.splitlines() if row[1:2] == "\t"]
    refused = [row.split("\t")[-1] for row in rows if row.startswith("!")]
    if refused:
        hint = "push it under another name with --as NAME; nothing is ever forced"
        raise PublishError(f"{remote} refused {name}: {refused[0]}", hint=hint)
    if said.code:
        raise UnavailableError(f"git push to {remote}: {said.complaint}", hint=f"try `git push --dry-run {remote}`")
    url = _without_password(git.run("remote", "get-url", remote))
    return Pushed(branch=branch, remote=remote, url=url, name=name, commit=commit,
                  new=not any(row.startswith("=") for row in rows))  # fmt: skip


def pull_request(repository: str, *, head: str, base: str, title: str, body: str) -> str:
    """Open a pull request with GitHub's `gh`; its address.

    Raises:
        UnavailableError: `gh` is not here. PublishError: it refused.
    """
    program = find("gh")
    if program is None:
        hint = "install it from https://cli.github.com, or open the pull request in a browser"
        raise UnavailableError(f"pushed {head}; the pull request needs gh, which is not installed", hint=hint)
    argv = [program, "pr", "create", "--head", head, "--base", base, "--title", title, "--body", body]
    try:
        done = subprocess.run(
            argv, cwd=repository, env={**os.environ, "GH_PROMPT_DISABLED": "1", "NO_COLOR": "1"}, text=True,
            stdin=subprocess.DEVNULL, capture_output=True, errors="replace", timeout=LIMIT_S, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UnavailableError(f"pushed {head}; gh pr create came to no end: {type(error).__name__}") from None
    rows = [line.strip() for line in (done.stdout if done.returncode == 0 else done.stderr).splitlines()]
    told = [line for line in rows if line]
    if done.returncode:
        text = " ".join(told) or f"exit code {done.returncode}"
        raise PublishError(f"pushed {head}; gh pr create: {text}", hint="`gh auth status` says who you are there")
    return told[-1] if told else ""


def _allow(git: Git, name: str, remote: str, base: str) -> None:
    """Raise for a name that is not the job's own to push."""
    default = git.ask("symbolic-ref", "-q", "--short", f"refs/remotes/{remote}/HEAD") or ""
    if name in PROTECTED or name in (base, default.removeprefix(f"{remote}/")):
        raise PublishError(f"{name} is not a job's to push", hint="merge there with `aq merge`, then push it yourself")
    if git.ask("check-ref-format", "--branch", name) != name:
        raise PublishError(f"{name} cannot be the name of a branch")


def _without_password(url: str) -> str:
    scheme, mark, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}{mark}{host.rpartition('@')[2]}{slash}{path}" if mark else url
