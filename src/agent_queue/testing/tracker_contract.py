"""What every tracker must keep to. An outsider's test: subclass `TrackerContract`, and run pytest.

class TestMyTracker(TrackerContract):
    def tracker(self) -> Tracker: ...   # made anew, on the same server or folder
    def create(self) -> str: ...        # a new open item, titled "Fix the login", labelled "aq"; its id
"""

from collections.abc import Callable

from agent_queue.core.echo import mark, told_already
from agent_queue.core.job import JobId
from agent_queue.core.trouble import TrackerError, Trouble
from agent_queue.ports_tracker import Item, Standing, Tracker

SECRET = "s3cret-of-the-contract"  # noqa: S105 - what a test may use as a token, and must never see again
TITLE, LABEL = "Fix the login", "aq"


class TrackerContract:
    """`missing` is a legal id that no item has."""

    missing = "99999"

    def tracker(self) -> Tracker:
        raise AssertionError("give the tracker")

    def create(self) -> str:
        raise AssertionError("create an item")

    def test_an_id_has_one_way_of_writing(self) -> None:
        tracker = self.tracker()
        key = tracker.key(self.create())
        assert tracker.key(key) == key
        assert tracker.key(f" {key} ") == key

    def test_an_item_is_read(self) -> None:
        tracker = self.tracker()
        item = self.create()
        found = tracker.get(item)
        assert found.id == tracker.key(item)
        assert found.title == TITLE
        assert tracker.get(found.id) == found

    def test_a_missing_item_is_said_to_be(self) -> None:
        tracker = self.tracker()
        error = _error(lambda: tracker.get(self.missing))
        assert error is not None
        assert error.trouble is Trouble.NOT_FOUND
        assert error.hint

    def test_every_standing_has_a_status_that_can_be_set(self) -> None:
        tracker = self.tracker()
        item = self.create()
        for standing in Standing:
            tracker.set_status(item, tracker.statuses[standing])
            tracker.set_status(item, tracker.statuses[standing])
            assert self.tracker().status(item) in (None, tracker.statuses[standing])

    def test_a_comment_is_there_once_and_whole(self) -> None:
        tracker = self.tracker()
        item = self.create()
        sign = mark(JobId("20260301-1200__job"), "done", 1, visible=tracker.visible_mark)
        other = mark(JobId("20260301-1200__job"), "done", 11, visible=tracker.visible_mark)
        before = tracker.comments(item)
        tracker.add_comment(item, f"- cost: $0.25\n- caf\u00e9\n\n{sign}\n")
        after = self.tracker().comments(item)
        if before is None or after is None:
            return  # it has no list to give, and says so
        assert len(after) == len(before) + 1
        assert told_already(after, sign)
        assert not told_already(after, other)
        assert "caf\u00e9" in after[-1]

    def test_a_comment_before_a_status_leaves_the_status(self) -> None:
        tracker = self.tracker()
        item = self.create()
        done = tracker.statuses[Standing.DONE]
        tracker.add_comment(item, "first")
        tracker.set_status(item, done)
        assert self.tracker().status(item) in (None, done)
        assert tracker.get(item).title == TITLE

    def test_items_are_found_by_label_and_closed_ones_are_not(self) -> None:
        tracker = self.tracker()
        wanted, closed = self.create(), self.create()
        tracker.set_status(closed, tracker.statuses[Standing.DONE])
        found = [item.id for item in self.tracker().find(LABEL) if isinstance(item, Item)]
        assert tracker.key(wanted) in found
        assert tracker.key(closed) not in found
        assert len(found) == len(set(found))
        assert list(tracker.find("no-item-has-this-label")) == []

    def test_it_can_be_checked(self) -> None:
        assert all(isinstance(line, str) for line in self.tracker().check())

    def test_the_token_is_in_no_text(self) -> None:
        tracker = self.tracker()
        error = _error(lambda: tracker.get(self.missing))
        assert error is not None
        assert SECRET not in f"{error} {error.hint} {error!r} {tracker!r}"


def _error(deed: Callable[[], object]) -> TrackerError | None:
    try:
        deed()
    except TrackerError as error:
        return error
    return None
