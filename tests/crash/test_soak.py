"""Harness G: many jobs, while supervisors, shims, agents and adders are killed at random."""

from .plan import hold


def test_a_queue_under_fire_does_every_job_once() -> None:
    hold("G soak")
