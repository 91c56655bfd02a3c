"""Bugs to plant, one at a time, and the harness that must see each. A harness that sees none of them proves nothing.

A bug is an edit of the product's source, made in a copy. When the text is no longer there, the row has to be brought
up to date with the code that it was about.
"""

from typing import NamedTuple


class Edit(NamedTuple):
    """In this file of the package, this text, which is there once, becomes another."""

    file: str
    old: str
    new: str = ""


class Mutant(NamedTuple):
    """A bug; `harness` is how `python -m crash.NAME FOLDER ...` is called to see it."""

    name: str
    edits: tuple[Edit, ...]
    harness: tuple[str, ...]
    says: str = ""
    """What an example of the harness must contain, where chance could raise another alarm."""


class Spare(NamedTuple):
    """A flush that no promise needs: leaving it out is not seen, and `why` says why it is there all the same."""

    name: str
    edits: tuple[Edit, ...]
    harness: tuple[str, ...]
    why: str


FILES, FOLDERS = "system/files.py", "queues/folders.py"
SHIM, PROCESSES = "system/shim.py", "system/processes.py"


def cut(scenario: str, per_cut: int = 4) -> tuple[str, ...]:
    return ("power_cut", scenario, str(per_cut), "0", "0", "first")


def errors(case: str) -> tuple[str, ...]:
    return ("faults", "error", "0", "1", "100", "0", case)


def deed(name: str, count: int = 1) -> tuple[str, ...]:
    return ("processes", str(count), "0", name)


def soak(jobs: int) -> tuple[str, ...]:
    return ("soak", str(jobs), "0")


SYNC_NAMES = """\
            for folder in sorted(empty):
                self.sync_folder(folder)
"""
WRITE_LINES = """\
            for path, line, fd in opened:
                self._write_line(fd, path, line)
"""
FLUSH_LINES = """\
            for path, _, fd in opened if durable else ():
                self._flush(fd, path)
"""
ANNOUNCE = """\
            self._disk.append((self._layout.journal(move.job), journal.line(move.entry(), now)) for move in moves)
"""
RENAME = """\
            done = [move for move in moves if self._rename(move)]
"""
WRITE_IN_PLACE = """\
                copy = self._calls.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE)
                self._calls.write(copy, data)
                self._calls.flush(copy)
                self._calls.close(copy)
"""
RECORD_END = """\
    patiently(lambda: put(here, "exit.json", "{" + ended + "," + took + "}\\n", durable=True))
"""
LET_GO = """\
    for number in locks:
        posix.close(number)
"""

MUTANTS = (
    Mutant(
        "a file is not flushed before it gets its name",
        (Edit(FILES, "            if durable:\n                self._flush(fd, temporary)\n"),),
        cut("ships"),
    ),
    Mutant(
        "a new job is acknowledged before its name is flushed",
        (
            Edit(
                FILES,
                "        for folder in sorted({os.path.dirname(path) for path, _ in files}):\n"
                "            self.sync_folder(folder)\n",
            ),
        ),
        cut("ships"),
        "was acknowledged and is lost",
    ),
    Mutant(
        "a new job is written in place instead of linked when it is whole",
        (Edit(FILES, "                self._calls.link(temporary, path)\n", WRITE_IN_PLACE),),
        cut("ships"),
        "is not what was handed over",
    ),
    Mutant(
        "a replaced file's name is not flushed",
        (
            Edit(
                FILES,
                "            raise\n        if durable:\n            self.sync_folder(os.path.dirname(path))\n",
                "            raise\n",
            ),
        ),
        cut("pauses"),
        "paused=True was acknowledged",
    ),
    Mutant(
        "a pause ends before its name is gone from the disk",
        (Edit("wiring/lanes.py", "    app.disk.sync_folder(os.path.dirname(path))\n"),),
        cut("pauses"),
        "paused=False was acknowledged",
    ),
    Mutant(
        "a journal line is not flushed",
        (Edit(FILES, FLUSH_LINES),),
        cut("ships"),
        "is not in its journal",
    ),
    Mutant(
        "a new journal's name is not flushed",
        (Edit(FILES, SYNC_NAMES),),
        cut("ships"),
        "is not in its journal",
    ),
    Mutant(
        "a new journal's name is flushed after its first line",
        (Edit(FILES, SYNC_NAMES + WRITE_LINES + FLUSH_LINES, WRITE_LINES + FLUSH_LINES + SYNC_NAMES),),
        cut("killed:ships"),
        "is not in its journal",
    ),
    Mutant(
        "a line is appended to a torn one",
        (Edit(FILES, '            line = b"\\n" + line  #', '            line = b"" + line  #'),),
        cut("fails"),
        "was replaced by another",
    ),
    Mutant(
        "a move may overwrite",
        (Edit(FILES, "self._calls.rename_noreplace(source, target)", "self._calls.replace(source, target)"),),
        cut("clashes"),
    ),
    Mutant(
        "a failed move is taken for done",
        (
            Edit(
                FILES,
                "        except (FileNotFoundError, FileExistsError):\n            return False\n        return True",
                "        except OSError:\n            return True\n        return True",
            ),
        ),
        errors("promote"),
        "was said to be in",
    ),
    Mutant(
        "a failed flush is passed over",
        (
            Edit(
                FILES,
                "            self._calls.flush(fd)\n        except OSError as error:\n",
                "            self._calls.flush(fd)\n        except OSError as error:\n            return\n",
            ),
        ),
        errors("promote"),
        "a failed flush was acknowledged",
    ),
    Mutant(
        "what killed writers left is not swept up",
        (Edit("system/supervisor.py", '        disk.sweep(lambda pid: kernel.start_time(pid) != "")\n'),),
        ("faults", "kill", "0", "1", "100", "0", "add"),
        "was left behind",
    ),
    Mutant(
        "a move is acknowledged before its folders are flushed",
        (Edit(FOLDERS, "in [*{move.target for move in done}, *{move.origin for move in done}]:", "in ():"),),
        cut("ships"),
    ),
    Mutant(
        "a move is journaled after the rename",
        (Edit(FOLDERS, ANNOUNCE + RENAME, RENAME + ANNOUNCE.replace("in moves", "in done")),),
        cut("ships"),
        "was acknowledged, and it lies in",
    ),
    Mutant(
        "a move is not journaled",
        (Edit(FOLDERS, ANNOUNCE),),
        cut("clashes"),
        "is not in its journal",
    ),
    Mutant(
        "a move that a killed process announced is finished without a flush of the announcement",
        (Edit(FOLDERS, "        self._disk.sync_file(self._layout.journal(job))  #", "        pass  #"),),
        cut("killed:ships"),
        "was acknowledged, and it lies in",
    ),
    Mutant(
        "a link without its unlink is not seen as a move to finish",
        (Edit(FOLDERS, "past.stage in found and self._same(job, found):", "past.stage in found and not found:"),),
        cut("linked:ships"),
        "lies in",
    ),
    Mutant(
        "a torn record of the workspace breaks recovery off",
        (Edit("flow/opened.py", "    except ValueError:\n", "    except KeyError:\n"),),
        cut("ships"),
        "recovery broke off",
    ),
    Mutant(
        "a job that was put back is not looked at again",
        (
            Edit("queues/inbox.py", "            self._returned.append(", "            str("),
            Edit("flow/loop.py", "            if move.target is Stage.INBOX:\n", "            if False:\n"),
        ),
        cut("fails"),
    ),
    Mutant(
        "an unfinished move is left unfinished",
        (Edit("core/recovery.py", "if alive else Repair.FINISH_MOVE", "if alive else Repair.ORPHAN"),),
        cut("ships"),
    ),
    Mutant(
        "a verify that takes the machine down is not charged",
        (
            Edit(
                "flow/verify.py",
                "    if not path and repair is Repair.ORPHAN and not _charged(run, tools):",
                "    if 0:",
            ),
        ),
        cut("poison:verify"),
    ),
    Mutant(
        "a run that is alive is taken for dead",
        (Edit("core/recovery.py", "    if alive:\n        return Repair.ADOPT\n"),),
        ("state_machine", "200", "30", "0", "as-found"),
    ),
    Mutant(
        "a shim does not wait for the word to go",
        (Edit("system/warm_parent.py", "    if posix.read(go, 1) == GO:\n", "    if True:\n"),),
        errors("shim@pidfd_open"),
        "launched twice",
    ),
    Mutant(
        "the job's lock is not handed to the shim",
        (Edit(PROCESSES, "files = (stdin, log, *lock.filenos())", "files = (stdin, log)"),),
        deed("adopted"),
        "started 2 times",
    ),
    Mutant(
        "the agent inherits the job's lock",
        (Edit(SHIM, "        posix.set_inheritable(number, False)", "        posix.set_inheritable(number, True)"),),
        deed("kill_both"),
    ),
    Mutant(
        "the job's lock is let go before its end is recorded",
        (Edit(SHIM, RECORD_END, LET_GO + RECORD_END),),
        deed("slow_record"),
        "started 2 times",
    ),
    Mutant(
        "stop.json is not looked at before the shim waits",
        (Edit(SHIM, '    stopping = exists(here, "stop.json")  #', "    stopping = False  #"),),
        deed("stopped_early"),
        "never told to stop",
    ),
    Mutant(
        "the exit code outranks stop.json",
        (
            Edit(
                "flow/run_one.py",
                "    if stopped is not None:\n        return of_stop",
                "    if stopped is not None and exit_ is None:\n        return of_stop",
            ),
        ),
        deed("alone"),
        "it ended as",
    ),
    Mutant(
        "the shim keeps no deadline",
        (Edit(SHIM, "    deadline = began + limit if limit else None\n", "    deadline = None\n"),),
        deed("alone"),
        "the deadline did not come",
    ),
    Mutant(
        "orphans do not come to the shim",
        (Edit(SHIM, "    become_subreaper()\n    here", "    here"),),
        deed("kill_agent"),
        "survive",
    ),
    Mutant(
        "the shim sweeps nothing",
        (Edit(SHIM, "        stragglers = sweep(group)\n", "        stragglers = 0\n"),),
        deed("kill_agent"),
        "survive",
    ),
    Mutant(
        "every checkpoint uses an index of one name",
        (Edit("system/own_index.py", "INDEX_PREFIX + secrets.token_hex(6)", 'INDEX_PREFIX + "one"'),),
        ("snapshots", "in-place", "14", "0", "update-index"),
        "a lock is stuck",
    ),
    Mutant(
        "a checkpoint runs the hooks that it finds",
        (Edit("system/git.py", '    "core.hooksPath=/dev/null",\n'),),
        ("snapshots", "plain", "1", "0"),
        "ran: ",
    ),
    Mutant(
        "filters are run as the agent left them",
        (Edit("system/filters.py", "    return tuple(settings), different\n", "    return (), ()\n"),),
        ("snapshots", "filter", "1", "0"),
        "ran: ",
    ),
    Mutant(
        "jobs that lock the same name run at once",
        (
            Edit(
                "wiring/adapters.py",
                "        return mutexes(manifest.lock, place=",
                "        return () and mutexes((), place=",
            ),
        ),
        soak(120),
        "held a lock beside another job",
    ),
    Mutant(
        "a supervisor keeps a file open for every run that ended",
        (Edit("system/events.py", "                    os.close(key.fd)\n", ""),),
        soak(36),
        "a supervisor grew",
    ),
    Mutant(
        "a journal's values are taken whatever they are",
        (
            Edit(
                "core/history.py",
                "    return {key: value for key, value in entry.items() if key not in wrong} if",
                "    return entry if",
            ),
        ),
        ("fuzz", "journals", "400", "0"),
        "Traceback",
    ),
    Mutant(
        "a supervisor may be told to have no slots",
        (Edit("core/settings.py", '    if values.get("slots", 1) < 1:\n', "    if False:\n"),),
        ("fuzz", "configurations", "1700", "0"),
        "counts are",
    ),
    Mutant(
        "files may be copied into worktrees from outside of the repository",
        (Edit("core/settings.py", 'if text.startswith(("/", "~")) or', 'if text.startswith("~") or'),),
        ("fuzz", "configurations", "1700", "0"),
        "leads out of the repository",
    ),
    Mutant(
        "nobody sweeps when the shim is dead",
        (Edit(PROCESSES, "        while found := list(kernel.carriers(marker)):", "        while found := []:"),),
        deed("kill_shim"),
        "survive",
    ),
)

SPARES = (
    Spare(
        "the folder that a move leaves is not flushed",
        (
            Edit(
                FOLDERS,
                "[*{move.target for move in done}, *{move.origin for move in done}]",
                "{m.target for m in done}",
            ),
        ),
        cut("ships"),
        "A rename is one change where renames are safe: flushing one of its folders is enough. Elsewhere it is a link"
        " and an unlink, and a link that is left over is a move to finish.",
    ),
    Spare(
        "the end that a shim records is not flushed",
        (Edit(SHIM, RECORD_END, RECORD_END.replace(", durable=True", "")),),
        cut("ships"),
        "After a power cut the run is repeated. The flush saves its work and its cost; no promise hangs on it.",
    ),
)
