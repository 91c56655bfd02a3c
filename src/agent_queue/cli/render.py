"""The status as lines of text, readable at 80 columns."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from agent_queue.cli.screen import Screen, age, amount, columns, dollars, home, moment, plain
from agent_queue.core.schedule import HOURS

Found = Mapping[str, Any]

WAITING_SHOWN, NEEDS_SHOWN, RECENT_SHOWN, PROBLEMS_SHOWN, OUTBOX_SHOWN = 8, 10, 5, 3, 3
WORD, TITLE = 11, 12
"""Columns for the first word of a line, and the fewest that a title beside it is worth."""
WRAPPED = "wrapped"
FAILED_LATELY_S = 72 * 3600.0
"""A failure is news from Friday evening to Monday morning; after that it is history."""
NEARLY = 0.8
"""A budget of which so much is used is told of."""
BY_A_PERSON = ("cancelled", "rejected")
MARKS = {"exact": "", "estimated": "*", "subscription": "* (subscription)", "unknown": "?", None: ""}
"""Behind a figure: it is estimated in part, or a part is not known; or it is what a subscription would have cost."""
COLOURS = {
    "testing": "yellow", "review": "yellow", "failed": "red", "invalid": "red", "stalled": "red", "running": "green",
    "shipped": "green", "verifying": "cyan",
}  # fmt: skip
NEXT = {
    "testing": "aq diff JOB, then aq ship JOB or aq reject JOB", "review": "aq diff JOB, then aq promote JOB",
    "failed": "aq show JOB says why; aq requeue JOB runs it again", "invalid": "mend the file; it is taken up then",
}  # fmt: skip


class Item(NamedTuple):
    """One job in a section; `more` are further lines with their style."""

    word: str
    name: str
    right: str
    title: str
    more: Sequence[tuple[str, str]]


def status_lines(found: Found, screen: Screen) -> Iterator[str]:
    """The whole status: what needs a person first."""
    yield from _head(found, screen)
    jobs = found["jobs"]
    needy = sorted(filter(needs, jobs), key=lambda job: list(NEXT).index(needs(job)))
    named = {job["id"] for job in needy}
    running = [job for job in jobs if "doing" in job and not needs(job)]
    waiting = [job for job in jobs if job["waiting_for"]]
    finished = [job for job in jobs if job["stage"] in ("shipped", "failed") and job["id"] not in named]
    recent = sorted(finished, key=lambda job: float(job["age_s"]))
    if not jobs:
        yield from ("", "Nothing here yet. `aq add FILE.md` puts a job into the inbox.")
    yield from _section("NEEDS YOU", needy, NEEDS_SHOWN, screen, _needing)
    if not screen.brief:
        yield from (f"  {screen.paint(f'{kind}: {NEXT[kind]}', 'dim')}" for kind in dict.fromkeys(map(needs, needy)))
    yield from _section("RUNNING", running, len(running), screen, _running)
    yield from _section("WAITING", waiting, WAITING_SHOWN, screen, _waiting, brief=True)
    yield from _section("RECENT", recent, RECENT_SHOWN, screen, _recent)
    yield from _section("TRACKER ITEMS THAT WAIT FOR NEWS", found["outbox"], OUTBOX_SHOWN, screen, _outbox, brief=True)


def _section(
    title: str, jobs: list[Found], most: int, screen: Screen, told: Callable[[Found], Item], *, brief: bool = False
) -> Iterator[str]:
    if not jobs:
        return
    shown = jobs if screen.wide else jobs[:most]
    yield ""
    yield screen.paint(f"{title} ({len(jobs)})" if title != "RECENT" else title, "bold")
    for job in shown:
        item = told(job)
        more = [*item.more, (_said(job), "dim")] if screen.wide else item.more
        yield from _drawn(item._replace(more=more), screen, brief=brief or screen.brief)
    if len(shown) < len(jobs):
        yield screen.paint(f"  and {len(jobs) - len(shown)} more; `aq status --wide` lists all", "dim")


def _drawn(item: Item, screen: Screen, *, brief: bool) -> Iterator[str]:
    """`word  name      right`, the right side at the edge of the screen, and what there is more to say below."""
    margin = " " * (2 + (WORD if item.word else 0))
    begin = f"  {screen.paint(f'{item.word:<{WORD}}', COLOURS.get(item.word, ''))}" if item.word else margin
    right, inner = plain(item.right), screen.width - len(margin)
    room = inner - columns(right) - 2
    beside = room >= min(columns(item.name), 24)
    name = screen.cut(plain(item.name), room if beside else inner)
    title, left = plain(item.title), room - columns(name) - 2
    if brief and title and (left > TITLE or screen.wide):
        name = f"{name}  {screen.paint(screen.cut(title, left), 'dim')}"
        left -= min(columns(title), left) + 2
    gap = " " * (left + 2) if beside and not screen.wide else ""
    yield f"{begin}{name}{gap}  {right}" if beside else f"{begin}{name}"
    if not beside:
        yield f"{margin}{screen.cut(right, inner)}"
    if brief:
        return
    for text, style in [(text, style) for text, style in [(title, ""), *item.more] if text]:
        lines = screen.wrap(plain(text), inner) if style == WRAPPED else [screen.cut(plain(text), inner)]
        yield from (f"{margin}{screen.paint(line, style)}" for line in lines)


def _head(found: Found, screen: Screen) -> Iterator[str]:
    yield screen.paint(home(found["root"]), "dim")
    yield "  ".join(f"{stage} {count}" for stage, count in found["counts"].items())
    supervisor = found["supervisor"]
    if supervisor is None:
        yield "no supervisor is running; `aq run` starts one"
    else:
        yield f"supervisor {supervisor['pid']}: {supervisor['running']} of {supervisor['slots']} slots in use"
    yield from (screen.paint(_lane(lane), "yellow") for lane in found["lanes"])


def _lane(lane: Found) -> str:
    """Why an engine starts no jobs, until when, and what a person can do about it."""
    everywhere = lane["engine"] == "*"
    name, undo = ("all engines", "aq resume") if everywhere else (lane["engine"], f"aq resume {lane['engine']}")
    until = "" if lane["parked_until"] is None else f", until {moment(lane['parked_until'])}"
    mine = lane["reason"] == "paused" or (until and not lane["reason"].startswith(HOURS))
    return f"{name}: {lane['reason']}{until}" + (f"; `{undo}` undoes it" if mine else "")


def needs(job: Found) -> str:
    """Why a job needs a person, '' when it does not."""
    if job["invalid"] and job["stage"] not in ("shipped", "failed"):
        return "invalid"
    if job["stage"] == "failed":
        return "failed" if job["result"] not in BY_A_PERSON and job["age_s"] < FAILED_LATELY_S else ""
    return str(job["stage"]) if job["stage"] in ("review", "testing") and "doing" not in job else ""


def _needing(job: Found) -> Item:
    kind, since = needs(job), age(job["age_s"])
    if kind == "invalid":
        name = f"{job['id']}.md"
        problems = [line.removeprefix(f"{name}:").strip() for line in job["invalid"].splitlines()]
        return Item(kind, name, job["stage"], "", [(problem, WRAPPED) for problem in problems[:PROBLEMS_SHOWN]])
    return Item(
        kind, job["id"], f"{job['result']}, {since} ago" if kind == "failed" else since, job["title"], _took(job)
    )


def _running(job: Found) -> Item:
    doing, _, why = job["doing"].partition(", ")
    silent = f"silent {age(job['silent_s'])}" if job["silent_s"] is not None else ""
    engine = job["engine"] if job["doing"] != "verifying" else ""
    words = ", ".join(word for word in (engine, age(job["age_s"]), silent, why) if word)
    more = [(_so_far(job), "dim"), (_budget(job), "yellow")]
    return Item("stalled" if job["stalled"] else doing, job["id"], words, job["title"], more)


def _so_far(job: Found) -> str:
    """What a run under way has used, with what the job's earlier runs did; '' while nobody knows."""
    told = job["insights"]
    parts = [tokens(told), cost(told) if told["cost_usd"] is not None else ""]
    return ", ".join(filter(None, [*parts, _lines(told), f"run {job['run']}" if job["run"] > 1 else ""]))


def _budget(job: Found) -> str:
    """The limits that are nearly used up, or that nobody can keep."""
    near = [f"{each['share']:.0%} of budget.{each['name']} used" for each in job.get("budget", ())
            if each["used"] is not None and each["share"] >= NEARLY]  # fmt: skip
    return ", ".join(near)


def _waiting(job: Found) -> Item:
    return Item("", job["id"], "; ".join(job["waiting_for"]), job["title"], [])


def _recent(job: Found) -> Item:
    word = job["result"] if job["result"] in BY_A_PERSON else job["stage"]
    return Item(word, job["id"], f"{age(job['age_s'])} ago", job["title"], _took(job))


def _outbox(owed: Found) -> Item:
    tries = f"{owed['problem']}, {owed['tries']} tr{'y' if owed['tries'] == 1 else 'ies'}" if owed["tries"] else "due"
    return Item("", owed["item"], f"{tries}, {age(owed['age_s'])}", owed["job"], [])


def _tracked(job: Found) -> list[tuple[str, str]]:
    """Its tracker item, and what that was told last."""
    told = f"told {job['tracker_echoed']}" if job["tracker_echoed"] else "told nothing yet"
    return [(f"item {job['tracker_item']}, {told}", "dim")] if job["tracker_item"] else []


def _took(job: Found) -> list[tuple[str, str]]:
    reason = [(job["reason"].splitlines()[0], "red")] if job.get("reason") else []
    return [*reason, *([(insights(job), "dim")] if job["run"] else []), *_tracked(job)]


def insights(job: Found) -> str:
    """What a job took: `*` behind what is estimated in part, `?` for what nobody knows."""
    told = job["insights"]
    parts = [
        age(told["duration_s"]) if told["duration_s"] is not None else "",
        f"{job['attempts']} attempt{'s' if job['attempts'] != 1 else ''}",
        _lines(told),
        tokens(told),
        cost(told) if told["cost_usage"] else "",
    ]
    return ", ".join(part for part in parts if part)


def tokens(told: Found) -> str:
    """The tokens of a job or a run; '' when nobody knows any."""
    if not told["tokens_in"]:
        return ""
    return f"{amount(told['tokens_in'])} tokens in, {amount(told['tokens_out'])} out{MARKS[told['usage']]}"


def cost(told: Found) -> str:
    """The cost of a job or a run that used something; of what is known in part, that part with its mark."""
    return "cost ?" if told["cost_usd"] is None else f"{dollars(told['cost_usd'])}{MARKS[told['cost_usage']]}"


def _said(job: Found) -> str:
    """What the file says of it, for those who want all."""
    parts = [(key, job[key]) for key in ("engine", "profile", "priority", "run", "tracker_item") if job.get(key)]
    return ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in parts)


def _lines(told: Found) -> str:
    files = told["files_changed"]
    if not files:
        return "no changes" if files == 0 else ""
    return f"{files} file{'s' if files != 1 else ''} +{told['lines_added'] or 0} -{told['lines_deleted'] or 0}"
