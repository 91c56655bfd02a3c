"""A status as what the panel shows."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from agent_queue.cli.render import COLOURS, MARKS, insights, needs
from agent_queue.cli.screen import age, amount, dollars, plain
from agent_queue.dash.sight import Line, Section, Sight

Found = Mapping[str, Any]


def sight(found: Found) -> Sight:
    """Those under way first, then those that need a person, that wait, that are finished."""
    jobs = found["jobs"]
    needy = [job for job in jobs if needs(job)]
    mine = {id(job) for job in needy}
    rest = [job for job in jobs if id(job) not in mine]
    finished = sorted((job for job in rest if job["stage"] in ("shipped", "failed")), key=lambda job: job["age_s"])
    listed = {
        "RUNNING": (_running, [job for job in rest if "doing" in job]),
        "NEEDS YOU": (_needing, needy),
        "WAITING": (_waiting, [job for job in rest if job["waiting_for"]]),
        "FINISHED": (_finished, finished),
    }  # fmt: skip
    return Sight(
        stages=list(found["counts"].items()), supervisor=_supervisor(found),
        sections=[Section(title, [_line(job, *state(job)) for job in group]) for title, (state, group) in listed.items()
                  if group],
    )  # fmt: skip


def used(job: Found) -> str:
    """The cost of a job in a few letters, else its tokens; `?` where nobody knows."""
    told = job["insights"]
    if told["cost_usd"] is not None:
        return dollars(told["cost_usd"]) + MARKS[told["cost_usage"]][:1]
    if told["tokens_in"] is not None:
        return f"{amount(told['tokens_in'] + (told['tokens_out'] or 0))} tok{MARKS[told['usage']]}"
    return "?" if told["usage"] else ""


def _line(job: Found, state: str, style: str) -> Line:
    took = job["insights"]["duration_s"]
    time = age(job["age_s"]) if "doing" in job else age(took) if took is not None else ""
    return Line(
        job=plain(job["id"]), state=state, style=style, engine=plain(job["engine"] or ""), time=time, used=used(job),
        attempts=str(job["attempts"] or ""), detail=list(_detail(job)),
    )  # fmt: skip


def _detail(job: Found) -> Iterator[str]:
    told: list[Callable[[], str]] = [
        lambda: plain(job["title"]),
        lambda: plain(job["invalid"] or ""),
        lambda: "; ".join(map(plain, job["waiting_for"])),
        lambda: plain((job.get("reason") or "").partition("\n")[0]),
        lambda: f"silent {age(job['silent_s'])}" if job.get("silent_s") is not None else "",
        lambda: insights(job) if job["run"] else "",
    ]
    yield from filter(None, (say() for say in told))


def _running(job: Found) -> tuple[str, str]:
    state = "stalled" if job["stalled"] else job["doing"].partition(",")[0]
    return state, COLOURS.get(state, "")


def _needing(job: Found) -> tuple[str, str]:
    return needs(job), COLOURS.get(needs(job), "")


def _waiting(job: Found) -> tuple[str, str]:
    return job["priority"] or "", ""


def _finished(job: Found) -> tuple[str, str]:
    return job["stage"] if job["stage"] == "shipped" else job["result"] or "failed", COLOURS.get(job["stage"], "")


def _supervisor(found: Found) -> str:
    lanes = [f"{lane['engine']}: {lane['reason']}" for lane in found["lanes"]]
    supervisor = found["supervisor"]
    if supervisor is None:
        return "; ".join(["no supervisor is running; `aq run` starts one", *lanes])
    return "; ".join(
        [f"supervisor {supervisor['pid']}: {supervisor['running']} of {supervisor['slots']} slots", *lanes]
    )
