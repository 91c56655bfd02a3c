"""Insights: `aq insights` over thousands of finished jobs, from the cache and without it."""

from benchmarks.figures import Figure, median, milliseconds
from benchmarks.setting import Queue, Setting, job

FINISHED = 10_000
CACHED_S, BARE_S = 0.3, 5.0
ENGINES = ("claude", "codex", "opencode")
PAST = (
    '{{"at":"2026-01-01T00:00:00.000Z","event":"move","seq":1,"move":"begin","from":"inbox","to":"building","run":1,'
    '"attempts":1,"recoveries":0,"next_eligible":0.0,"fresh":false}}\n'
    '{{"at":"2026-01-01T00:00:00.001Z","event":"moved","seq":1}}\n'
    '{{"at":"2026-01-01T00:00:00.002Z","event":"started","run":1,"engine":"{engine}","started_at":{at}}}\n'
    '{{"at":"2026-01-01T00:00:01.000Z","event":"ended","ended_at":{at},"exit":0,"duration_s":61.5,"files_changed":3,'
    '"lines_added":40,"lines_deleted":7,"tokens_in":63066,"tokens_cached":40000,"tokens_out":3100,"cost_usd":0.0323,'
    '"cost_basis":"reported","turns":3,"tool_calls":2,"usage":"exact","model":"some-model","first_output_s":1.2}}\n'
    '{{"at":"2026-01-01T00:00:02.000Z","event":"move","seq":2,"move":"ship","from":"testing","to":"shipped","run":1,'
    '"attempts":1,"recoveries":0,"next_eligible":0.0,"fresh":false,"result":"shipped"}}\n'
    '{{"at":"2026-01-01T00:00:02.001Z","event":"moved","seq":2}}\n'
)


def measure(setting: Setting) -> list[Figure]:
    count = setting.count(FINISHED, 1_000)
    queue = _queue(setting, count)
    cached, bare = [], []
    for _ in range(setting.count(7, 3)):
        (queue.root / ".aq" / "insights.json").unlink(missing_ok=True)
        bare.append(queue.aq("insights").wall_s)
        cached += [queue.aq("insights").wall_s for _ in range(3)]
    first, second = median(cached), median(bare)
    return [
        Figure(
            figure=f"`aq insights` over {count:,} finished jobs, whole process, from its cache",
            measured=milliseconds(first), target="< 300 ms", met=first < CACHED_S,
            cause="reading the cache, and a look at each journal",
        ),
        Figure(
            figure="the same without its cache: every journal is read", measured=f"{second:.2f} s", target="< 5 s",
            met=second < BARE_S, cause="reading the journals",
        ),
    ]  # fmt: skip


def _queue(setting: Setting, count: int) -> Queue:
    queue, place = setting.queue("insights"), setting.places(1)[0]
    for number in range(count):
        past = PAST.format(engine=ENGINES[number % 3], at=1767225600 + number * 60)
        queue.put("shipped", f"done-{number:06}", job(place), past)
    return queue
