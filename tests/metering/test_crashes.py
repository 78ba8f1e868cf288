"""Gateways that are killed at random moments sell what there is, exactly."""

from __future__ import annotations

from ziyan.bench import kills
from ziyan.bench.kills import Trial
from ziyan.settings import Settings


def test_gateways_that_are_killed_sell_exactly_what_there_is(settings: Settings) -> None:
    trial = Trial(calls=1800, kills=8, processes=2, callers=4, tries=1, reading_seconds=0.002)
    found = kills.attempt(settings, trial)
    assert (found.sold, found.events, found.left) == (1800, 1800, 0)
    assert (found.clean, found.unclean, found.exact) == (True, 0, True)
    assert found.refused > 0, "more were asked for than there were"
