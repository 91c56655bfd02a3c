"""What happens on a queue before its crash: every way a job can go, with a person in it."""

from collections.abc import Callable
from contextlib import suppress

from agent_queue.core.errors import AqError
from agent_queue.core.job import JobId, Stage
from agent_queue.flow import requests

from .machine import Machine, jobs_in


def ships(machine: Machine) -> None:
    """One job all the way, with a person at each gate."""
    job = JobId(machine.add("ships", "exit 0", "verify: 'true'"))
    machine.run()
    requests.ship(machine.app().tools, job)


def lanes(machine: Machine) -> None:
    """Three at once, on two slots: claims and ends are settled as batches. One ships by itself.

    Each locks a name of its own: without one, jobs of one folder wait for each other.
    """
    for name, keys in (("one", ("ship: auto", "verify: 'true'")), ("two", ()), ("three", ("review-policy: auto",))):
        machine.add(name, "exit 0", f"lock: {name}", *keys)
    machine.run()
    requests.promote(machine.app().tools, JobId(next(iter(jobs_in(machine, Stage.REVIEW)))))


def fails(machine: Machine) -> None:
    """Retried, given up, requeued, failed in verify, requeued afresh, cancelled in the inbox."""
    job = JobId(machine.add("fails", "exit 3", "retry: {max: 1, on: [crash]}"))
    machine.run()
    requests.requeue(machine.app().tools, job)
    machine.run()
    other = JobId(machine.add("verify", "exit 0", "verify: exit 1"))
    machine.run()
    tools = machine.app().tools
    requests.requeue(tools, job, fresh=True)
    requests.requeue(tools, other)
    requests.cancel(tools, job, lambda ready, seconds: ready())


def hands(machine: Machine) -> None:
    """A person drops files and drags them; agents are stopped and go on in a second life."""
    machine.drop("dropped", "exit 0")
    job = machine.add("dragged", "exit 0")
    machine.run()
    machine.move(job, Stage.SHIPPED)
    machine.run()
    machine.move(job, Stage.INBOX)
    machine.move("dropped", Stage.FAILED)
    machine.run()
    machine.move("dropped", Stage.INBOX)
    requests.cancel(machine.app().tools, JobId(job), lambda ready, seconds: ready())


def stops(machine: Machine) -> None:
    """A supervisor is told to stop at once: its agents go back to the inbox, uncharged; another goes on."""
    job = JobId(machine.add("stops", "exit 0"))
    machine.run(signals=("SIGTERM",))
    machine.run()
    requests.reject(machine.app().tools, job)


def clashes(machine: Machine) -> None:
    """A person dropped another file under the name of a failed job: neither overwrites the other."""
    job = JobId(machine.add("clashes", "exit 4"))
    machine.run()
    machine.drop(job, "exit 0 # another")
    with suppress(AqError):
        requests.requeue(machine.app().tools, job)
    machine.run()


def pauses(machine: Machine) -> None:
    """An engine is paused, and no longer: both hold once they are said to."""
    machine.add("pauses", "exit 0")
    machine.pause("shell", paused=True)
    machine.run()
    machine.pause("shell", paused=False)
    machine.pause("claude", paused=True)
    machine.run()


SCENARIOS: dict[str, Callable[[Machine], None]] = {
    scenario.__name__: scenario for scenario in (ships, lanes, fails, hands, stops, clashes, pauses)
}
