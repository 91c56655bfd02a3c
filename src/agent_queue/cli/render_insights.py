"""What jobs took, as lines of text."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from agent_queue.cli.render import COLOURS, MARKS, cost, insights, tokens
from agent_queue.cli.screen import Screen, age, amount, columns, dollars, plain

Found = Mapping[str, Any]
LABEL = 8
NAME = 24
SPARE = ("time", "retries", "lines", "out", "cached")
"""Columns to leave out of a table that is too wide for the terminal, the first one first."""


def job_lines(found: Found, screen: Screen) -> Iterator[str]:
    """One job: its runs, and all of them together."""
    stage = found["stage"]
    yield screen.paint(screen.cut(found["job"], screen.width), "bold")
    told = insights({"insights": found["total"], "attempts": found["attempts"]}) if found["runs"] else "has not run yet"
    yield f"{screen.paint(stage, COLOURS.get(stage, ''))}: {told}"
    for run in found["runs"]:
        yield ""
        yield from _run(run, screen)


def _run(run: Found, screen: Screen) -> Iterator[str]:
    names = " ".join(plain(run[key]) for key in ("engine", "model") if run[key])
    ended = [
        run["result"] or ("under way" if not run["over"] else ""),
        f"stopped: {run['stop']}" if run["stop"] else "",
        f"exit {run['exit']}" if run["exit"] is not None else "",
        f"verify exit {run['verify_exit']}" if run["verify_exit"] is not None else "",
    ]
    number = f"run {run['run']}"
    yield f"{screen.paint(number, 'bold')}  {names or 'no agent was started'}"
    yield f"  {'ended':<{LABEL}} {', '.join(filter(None, ended))}"
    first, cached = run["first_output_s"], run["tokens_cached"]
    told = {
        "time": [
            age(run["duration_s"]) if run["duration_s"] is not None else "",
            f"first output after {first:.1f}s" if first is not None else "",
        ],
        "did": [_count(run["turns"], "turn"), _count(run["tool_calls"], "tool call"), _lines(run)],
        "used": [tokens(run), f"{amount(cached)} of them cached" if cached else "", cost(run) if run["usage"] else ""],
    }
    for label, words in told.items():
        if any(words):
            yield f"  {label:<{LABEL}} {', '.join(filter(None, words))}"


def all_lines(found: Found, by: str, many: str, screen: Screen) -> Iterator[str]:
    """What was finished of late, and the roll-up."""
    if not found["total"]["jobs"]:
        yield "no job has run yet" if not found["finished"] else "nothing was finished"
        return
    if found["jobs"]:
        yield screen.paint(f"FINISHED ({found['finished']})", "bold")
        for job in found["jobs"]:
            word = job["result"] if job["stage"] == "failed" else job["stage"]
            told = f"{word}, {job['engine'] or 'no engine'}"
            name = screen.cut(job["job"], screen.width - columns(told) - 4)
            yield f"  {name}  {screen.paint(told, COLOURS.get(word, ''))}"
            yield f"    {screen.paint(insights({'insights': job, 'attempts': job['attempts']}), 'dim')}"
        if found["finished"] > len(found["jobs"]):
            yield screen.paint(f"  and {found['finished'] - len(found['jobs'])} more; --json and --csv list all", "dim")
        yield ""
    rows = [_row(group[by], group) for group in found[many]]
    if len(rows) > 1:
        rows.append(_row("all", found["total"]))
    yield from _table(by, rows, screen)
    yield from _missing(found["total"], screen)


def csv_lines(rows: Sequence[Found]) -> Iterator[str]:
    """Rows for a spreadsheet, with a head."""
    import csv
    from io import StringIO

    text = StringIO()
    table = csv.DictWriter(text, list(rows[0]) if rows else ["job"], lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    yield text.getvalue().removesuffix("\n")


def _row(name: str, group: Found) -> dict[str, str]:
    share, rate, each = group["cached_share"], group["success_rate"], group["cost_per_shipped_usd"]
    spent, used = _mark(group, "cost"), _mark(group, "tokens")
    return {
        "name": plain(name)[:NAME], "jobs": str(group["jobs"]), "well": f"{rate:.0%}" if rate is not None else "-",
        "cost": dollars(group["cost_usd"]) + spent if group["cost_usd"] is not None else spent.strip() or "-",
        "/shipped": dollars(each) + spent if each is not None else "-",
        "in": amount(group["tokens_in"]) + used if group["tokens_in"] is not None else used.strip() or "-",
        "cached": f"{share:.0%}" if share is not None else "-",
        "out": amount(group["tokens_out"]) + used if group["tokens_out"] is not None else used.strip() or "-",
        "lines": f"+{group['lines_added']} -{group['lines_deleted']}", "retries": str(group["retries"]),
        "time": age(group["duration_s"]) if group["duration_s"] is not None else "-",
    }  # fmt: skip


def _mark(group: Found, what: str) -> str:
    """`?` and how many jobs lack it outranks `*`."""
    lacking = group[f"unknown_{what}_jobs"]
    if lacking:
        return f" ?{lacking}"
    return MARKS["estimated"] if group["estimated"] or (what == "cost" and group["subscription"]) else ""


def _missing(total: Found, screen: Screen) -> Iterator[str]:
    """What the marks mean, where there are any."""
    if total["estimated"]:
        yield screen.paint("* in part estimated", "dim")
    if total["subscription"]:
        yield screen.paint("* in part what the use of a subscription would have cost", "dim")
    if total["unknown_cost_jobs"] or total["unknown_tokens_jobs"]:
        yield screen.paint("?N without those of N jobs, which nobody knows", "dim")


def _table(by: str, rows: Sequence[Mapping[str, str]], screen: Screen) -> Iterator[str]:
    heads = {key: key for key in rows[0]} | {"name": by.upper()}
    widths = {key: max(columns(row[key]) for row in (heads, *rows)) for key in heads}
    for key in SPARE:
        if sum(widths.values()) + 2 * len(widths) > screen.width:
            del widths[key]
    for number, row in enumerate((heads, *rows)):
        cells = [row[key] + " " * (width - columns(row[key])) if key == "name" else row[key].rjust(width)
                 for key, width in widths.items()]  # fmt: skip
        yield screen.paint("  ".join(cells), "" if number else "bold")


def _count(number: int | None, word: str) -> str:
    return "" if number is None else f"{number} {word}{'' if number == 1 else 's'}"


def _lines(run: Found) -> str:
    if run["files_changed"] is None:
        return ""
    return f"{_count(run['files_changed'], 'file')} +{run['lines_added'] or 0} -{run['lines_deleted'] or 0}"
