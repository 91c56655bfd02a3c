"""Which secrets are kept out of what people are shown: those of the environment that agents are started from."""

from collections.abc import Mapping
from dataclasses import replace

from agent_queue.core.outcome import Done, Outcome
from agent_queue.core.redaction import Redaction, secrets
from agent_queue.core.settings import Settings


def redaction(environment: Mapping[str, str], settings: Settings) -> Redaction:
    """Knows the secrets of an environment, and those that the configuration sets for engines."""
    return Redaction(secrets(environment, *(engine.env for engine in settings.engines.values())))


def without_secrets(outcome: Outcome, environment: Mapping[str, str], settings: Settings) -> Outcome:
    """The same outcome; its reason may quote an agent, and agents quote keys."""
    if isinstance(outcome, Done) or not outcome.reason:
        return outcome
    return replace(outcome, reason=redaction(environment, settings).text(outcome.reason))
