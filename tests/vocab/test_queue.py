from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.vocab.test_learner import table
from vocab.candidates import Candidates
from vocab.errors import InputError
from vocab.graph import KINDS, Tag
from vocab.queue import ORDERS, PATIENCE, PINNED, SLICE, Queue

TAGS = [Tag(KINDS[i % 4] if i % 3 else "object", f"tag {i * 37 % 400:03d}") for i in range(400)]
CANDIDATES = table(*TAGS)


class Fixed:
    """A model whose predictions a test sets."""

    def __init__(self, candidates: Candidates = CANDIDATES, p: float = 0.5) -> None:
        self.positions = {(row.kind, row.tag): n for n, row in enumerate(candidates.rows)}
        self.p = {row.key: p for row in candidates.rows}

    def predict(self, tag: Tag) -> float:
        return self.p[tag]


class Counting(Fixed):
    """Counts how often it is asked."""

    asked = 0

    def predict(self, tag: Tag) -> float:
        self.asked += 1
        return super().predict(tag)


def through(queue: Queue) -> list[Tag]:
    """Decide on all that the queue shows."""
    seen = []
    while ahead := queue.upcoming(1):
        queue.done(ahead[0])
        seen += ahead
    return seen


@pytest.mark.parametrize("order", ORDERS)
def test_each_tag_comes_once(order: str) -> None:
    assert Counter(through(Queue(CANDIDATES, Fixed(), order=order))) == Counter(TAGS)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("n", [0, 1, 7, 40, 1000])
def test_what_comes_is_shown_without_repeats(order: str, n: int) -> None:
    ahead = Queue(CANDIDATES, Fixed(), order=order).upcoming(n)
    assert len(ahead) == len(set(ahead)) == min(n, len(TAGS))


def test_by_frequency_and_by_letter() -> None:
    queue = Queue(CANDIDATES, Fixed(), order="frequency")
    assert queue.upcoming(400) == TAGS
    queue.reorder("alphabetical")
    assert queue.upcoming(400) == sorted(TAGS, key=lambda tag: (tag.tag, tag.kind))


def test_the_warm_up_draws_from_all_kinds_and_ranks() -> None:
    drawn = Queue(CANDIDATES, Fixed()).upcoming(100)
    kinds = Counter(tag.kind for tag in drawn)
    assert min(kinds[kind] for kind in KINDS) >= 10
    thirds = Counter(TAGS.index(tag) * 3 // len(TAGS) for tag in drawn)
    assert min(thirds.values()) >= 25


def test_the_warm_up_is_each_annotators_own_and_survives_a_restart() -> None:
    first = Queue(CANDIDATES, Fixed(), seed="ann").upcoming(100)
    rest = Queue(CANDIDATES, Fixed(), seed="ann", done=first[:30]).upcoming(70)
    assert rest == first[30:]
    assert Queue(CANDIDATES, Fixed(), seed="bob").upcoming(100) != first


def _past_warm_up(model: Fixed, order: str = "effect") -> Queue:
    queue = Queue(CANDIDATES, model, order=order)
    for tag in queue.upcoming(100):
        queue.done(tag)
    return queue


def test_then_come_frequent_tags_in_doubt() -> None:
    model = Fixed(p=0.999)
    left = _past_warm_up(model).upcoming(400)
    doubtful = [left[3], left[20], left[40]]
    model.p.update(dict.fromkeys(doubtful, 0.5))
    queue = _past_warm_up(model)
    queue.refine(1000)
    assert queue.upcoming(3) == doubtful
    assert _past_warm_up(Fixed()).upcoming(20) == sorted(left, key=TAGS.index)[:20]


def test_doubt_alone_does_not_look_at_frequency() -> None:
    model = Fixed(p=0.9)
    left = sorted(_past_warm_up(model).upcoming(400), key=TAGS.index)
    model.p[left[-1]] = 0.5
    queue = _past_warm_up(model, "uncertain")
    queue.refine(1000)
    assert queue.upcoming(1) == [left[-1]]


def test_a_score_that_changes_is_noticed() -> None:
    model = Fixed(p=0.999)
    queue = _past_warm_up(model)
    left = queue.upcoming(400)
    model.p[left[250]] = 0.5
    for tag in left[:PINNED]:
        queue.done(tag)
    queue.refine(400)
    assert queue.upcoming(1) == [left[250]]


def test_the_next_cards_stay_while_scores_change() -> None:
    model = Fixed()
    queue = _past_warm_up(model)
    ahead = queue.upcoming(PINNED)
    model.p.update(dict.fromkeys(ahead[1:], 0.999))
    queue.done(ahead[0])
    assert queue.upcoming(PINNED - 1) == ahead[1:]


@pytest.mark.parametrize("order", ORDERS)
def test_an_undone_tag_is_the_next(order: str) -> None:
    queue = Queue(CANDIDATES, Fixed(), order=order)
    first, second = queue.upcoming(2)
    queue.done(first)
    queue.done(second)
    queue.again(second)
    queue.again(first)
    assert queue.upcoming(2) == [first, second]
    queue.done(first)
    assert queue.upcoming(400)[0] == second
    assert len(queue) == 399


@pytest.mark.parametrize("order", ORDERS)
def test_skipped_tags_come_last_in_the_order_of_the_skips(order: str) -> None:
    queue = Queue(CANDIDATES, Fixed(), order=order)
    skipped = queue.upcoming(3)[::-1]
    for tag in skipped:
        queue.defer(tag)
    assert queue.upcoming(400)[-3:] == skipped
    queue.defer(skipped[0])
    assert queue.upcoming(400)[-3:] == [*skipped[1:], skipped[0]]
    assert len(queue) == 400


@pytest.mark.parametrize("order", ORDERS)
def test_a_filter_shows_only_what_matches(order: str) -> None:
    queue = Queue(CANDIDATES, Fixed(), order=order)
    queue.defer(next(tag for tag in queue.upcoming(400) if tag.kind == "scene"))
    queue.keep_only(lambda tag: tag.kind == "scene")
    scenes = [tag for tag in TAGS if tag.kind == "scene"]
    assert sorted(queue.upcoming(400)) == sorted(scenes)
    queue.done(scenes[0])
    queue.keep_only(None)
    assert sorted(queue.upcoming(400)) == sorted(set(TAGS) - {scenes[0]})


def test_a_filter_may_look_back_at_what_is_decided() -> None:
    queue = Queue(CANDIDATES, Fixed(), order="frequency", done=TAGS[:10])
    queue.keep_only(lambda tag: tag.kind == "object", decided=True)
    objects = [tag for tag in TAGS[:10] if tag.kind == "object"]
    assert queue.upcoming(400) == objects
    queue.done(objects[0])
    assert queue.upcoming(400) == objects[1:]
    queue.keep_only(None)
    assert queue.upcoming(400) == TAGS[10:]


def test_the_surest_of_one_side() -> None:
    model = Fixed(p=0.9)
    left = _past_warm_up(model).upcoming(400)
    model.p.update({left[10]: 0.01, left[20]: 0.3, left[30]: 0.001, left[40]: 0.97})
    queue = _past_warm_up(model)
    assert queue.surest(False, 10) == [left[30], left[10], left[20]]
    assert queue.surest(True, 3)[0] == left[40]


def test_what_was_undone_is_among_the_surest_again() -> None:
    queue = _past_warm_up(Fixed(p=0.9))
    sheet = queue.surest(True, 20)
    for tag in sheet:
        queue.done(tag)
    assert not set(queue.surest(True, 20)) & set(sheet)
    for tag in sheet:
        queue.again(tag)
    assert set(sheet) <= set(queue.surest(True, 400))


def test_the_surest_are_known_before_any_card_was_shown() -> None:
    model = Fixed(p=0.2)
    model.p[TAGS[399]] = 0.99
    queue = Queue(CANDIDATES, model, order="effect", seed=1)
    warm_up = queue.upcoming(100)
    assert TAGS[399] not in warm_up
    assert queue.surest(True, 5) == [TAGS[399]]


def test_another_order_puts_what_was_undone_back_into_line() -> None:
    queue = Queue(CANDIDATES, Fixed(), order="alphabetical")
    queue.done(TAGS[5])
    queue.again(TAGS[5])
    assert queue.upcoming(1) == [TAGS[5]]
    queue.reorder("frequency")
    assert queue.upcoming(400) == TAGS


def test_a_decision_brings_no_more_than_a_slice_up_to_date() -> None:
    model = Counting()
    queue = Queue(CANDIDATES, model)
    for _ in range(20):
        model.asked = 0
        queue.done(queue.upcoming(1)[0])
        assert 0 < model.asked <= SLICE


def test_idle_moments_bring_scores_up_to_date() -> None:
    model = Counting()
    queue = _past_warm_up(model)
    model.asked = 0
    queue.refine(40)
    assert 0 < model.asked <= 40


def test_patience_ends_when_every_score_has_sunk() -> None:
    model = Counting()
    queue = _past_warm_up(model)
    queue.refine(400)
    model.p.update(dict.fromkeys(model.p, 0.999))
    queue.done(queue.upcoming(1)[0], refine=0)
    model.asked = 0
    assert len(queue.upcoming(40)) == 40
    assert model.asked <= PATIENCE


def test_an_unknown_order_is_refused() -> None:
    with pytest.raises(InputError, match="unknown order 'best'"):
        Queue(CANDIDATES, Fixed(), order="best")


def test_tags_that_are_no_candidates_change_nothing() -> None:
    stranger = Tag("object", "stranger")
    queue = Queue(CANDIDATES, Fixed(), done=[stranger])
    queue.done(stranger)
    queue.defer(stranger)
    queue.again(stranger)
    assert sorted(queue.upcoming(500)) == sorted(TAGS)


@pytest.mark.parametrize("size", [0, 1, 3])
@pytest.mark.parametrize("order", ORDERS)
def test_few_candidates_or_none(size: int, order: str) -> None:
    candidates = table(*TAGS[:size])
    assert sorted(through(Queue(candidates, Fixed(candidates), order=order))) == sorted(TAGS[:size])


moves = st.lists(
    st.tuples(
        st.sampled_from(["done", "again", "defer", "reorder", "filter", "look", "doubt"]),
        st.integers(0, 39),
    ),
    max_size=40,
)


@given(moves=moves)
@settings(max_examples=150, deadline=None)
def test_whatever_happens_just_the_open_tags_are_shown(moves: list[tuple[str, int]]) -> None:
    candidates = table(*TAGS[:40])
    model, done, filtered = Fixed(candidates), set[Tag](), False
    queue = Queue(candidates, model)
    for move, number in moves:
        tag = TAGS[number]
        if move == "done":
            queue.done(tag)
            done.add(tag)
        elif move == "again" and tag in done:
            queue.again(tag)
            done.discard(tag)
        elif move == "defer" and tag not in done:
            queue.defer(tag)
        elif move == "reorder":
            queue.reorder(ORDERS[number % 4])
        elif move == "filter":
            filtered = not filtered
            queue.keep_only((lambda tag: tag.kind != "object") if filtered else None)
        elif move == "look":
            queue.upcoming(number)
        elif move == "doubt":
            model.p[tag] = number / 40
    if filtered:
        queue.keep_only(None)
    shown = queue.upcoming(100)
    assert sorted(shown) == sorted(set(TAGS[:40]) - done)
    assert len(queue) == len(shown)
