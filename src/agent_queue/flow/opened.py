"""What a run was started with, kept in its run folder for whoever takes the run up again."""

import json
from dataclasses import asdict, dataclass

from agent_queue.ports import Place, RunFolder

RECORD = "place.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """`marker` is the run's AQ_RUN; `session` the name of a new conversation, `resumed` of the one gone on with."""

    place: Place
    marker: str
    session: str
    engine: str
    resumed: str | None = None
    sidecars: tuple[str, ...] = ()
    """Globs of the side files in which the program tells more than on its output."""


def keep(folder: RunFolder, opened: Opened) -> None:
    """Write it down, before anything runs that must be found again."""
    folder.write(RECORD, to_json(asdict(opened)))


def opened_in(folder: RunFolder) -> Opened | None:
    """What a run was started with; None when it never came that far, or its record was torn by a power cut."""
    try:
        value = json.loads(folder.read(RECORD) or b"")
    except ValueError:
        return None
    texts = ("lost", "unseen", "setup")
    place = {**value["place"], **{key: tuple(value["place"].get(key, ())) for key in texts}}
    return Opened(**{**value, "place": Place(**place), "sidecars": tuple(value["sidecars"])})


def to_json(value: object) -> bytes:
    """A record for a run folder, readable by people too."""
    return json.dumps(value, indent=1, ensure_ascii=False).encode(errors="surrogateescape") + b"\n"
