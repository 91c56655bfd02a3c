"""Measurements of the published figures, each beside its floor or peer: `python -m benchmarks [row ...]`.

Ratios are taken in one run, from medians of alternating rounds. Nothing is deleted between rounds: after mass deletion
ext4 creates files many times slower. What is not met is reported as such, with its cause.
"""
