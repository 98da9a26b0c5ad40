import pytest
from hypothesis import given
from hypothesis import strategies as st

from vocab.agreement import (
    Agreement,
    agreements,
    cohen_kappa,
    disagreements,
    gwet_ac1,
    krippendorff_alpha,
    observed,
    pairwise,
    specific,
)
from vocab.decisions import replay
from vocab.graph import Tag
from vocab.log import new_event

# Krippendorff, "Computing Krippendorff's alpha-reliability" (2011), data of section C; Gwet's
# handbook uses them too.
FOUR_CODERS = [
    [value for value in unit if value != "."]
    for unit in zip(
        "1 2 3 3 2 1 4 1 2 . . .".split(),
        "1 2 3 3 2 2 4 1 2 5 . 3".split(),
        ". 3 3 3 2 3 4 2 2 5 1 .".split(),
        "1 2 3 3 2 4 4 1 2 5 1 .".split(),
        strict=True,
    )
]


def table(both, first, second, neither):
    """Two annotators' labels from the four cells of their table."""
    return (
        [("+", "+")] * both + [("+", "-")] * first + [("-", "+")] * second + [("-", "-")] * neither
    )


def test_four_coders_with_gaps_as_published():
    assert krippendorff_alpha(FOUR_CODERS) == pytest.approx(0.743, abs=5e-4)
    assert observed(FOUR_CODERS) == pytest.approx(0.81818, abs=5e-6)
    ac1, interval = gwet_ac1(FOUR_CODERS, "12345")
    assert ac1 == pytest.approx(0.77544, abs=5e-6)
    assert (ac1 - interval.low) / 1.959964 == pytest.approx(0.14295, abs=5e-6)  # standard error
    assert interval.high == 1


def test_the_paradox_of_kappa_as_in_gwet_2008():
    pairs = table(118, 5, 2, 0)
    assert cohen_kappa(pairs) == pytest.approx(-0.0234, abs=5e-5)
    assert gwet_ac1(pairs, "+-")[0] == pytest.approx(0.9408, abs=5e-5)


def test_a_table_worked_by_hand():
    pairs = table(20, 5, 10, 15)
    # 35 of 50 agree; by chance (25 * 30 + 25 * 20) / 2500 = 1/2.
    assert cohen_kappa(pairs) == pytest.approx((0.7 - 0.5) / 0.5)
    # Coincidences: 55 "+" and 45 "-" of 100; by chance (55 * 54 + 45 * 44) / (100 * 99) = 1/2.
    assert krippendorff_alpha(pairs) == pytest.approx((0.7 - 0.5) / 0.5)
    # AC1: by chance 2 * 0.55 * 0.45.
    assert gwet_ac1(pairs, "+-")[0] == pytest.approx((0.7 - 0.495) / 0.505)
    assert specific(pairs, "+") == pytest.approx(40 / 55)
    assert specific(pairs, "-") == pytest.approx(30 / 45)


def test_alpha_alone_misleads_where_nearly_all_is_kept():
    pairs = table(900, 50, 50, 0)
    assert observed(pairs) == pytest.approx(0.9)
    assert krippendorff_alpha(pairs) == pytest.approx(-0.05, abs=0.005)
    assert gwet_ac1(pairs, "+-")[0] == pytest.approx(0.89, abs=0.005)
    assert specific(pairs, "+") == pytest.approx(0.947, abs=5e-4)
    assert specific(pairs, "-") == 0


def test_what_is_not_defined_is_none():
    assert observed([]) is observed([["+"]]) is None
    assert cohen_kappa([]) is cohen_kappa([("+", "+")]) is None
    assert krippendorff_alpha([]) is krippendorff_alpha([["+", "+"]]) is None
    assert gwet_ac1([], "+-") == gwet_ac1([["+"]], "+-") == (None, None)
    assert gwet_ac1([["+", "+"]], "+-") == (1, None)
    assert specific([["+", "+"]], "-") is None
    assert gwet_ac1([["+", "+"], ["-", "-"]], "+-")[1] is not None  # two tags have a spread


units = st.lists(st.lists(st.sampled_from("abc"), min_size=1, max_size=4), min_size=1, max_size=12)
pairs = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abc")), min_size=1)


def figures(units):
    ac1, interval = gwet_ac1(units, "abc")
    found = [observed(units), krippendorff_alpha(units), ac1, *(interval or ())]
    return [9 if value is None else value for value in found]


@given(units, st.randoms())
def test_neither_the_order_of_annotators_nor_of_tags_matters(units, random):
    again = [random.sample(unit, len(unit)) for unit in units]
    random.shuffle(again)
    assert figures(again) == pytest.approx(figures(units))


@given(units, st.permutations("abc"))
def test_other_names_for_the_labels_give_the_same_figures(units, names):
    renamed = dict(zip("abc", names, strict=True))
    again = [[renamed[label] for label in unit] for unit in units]
    assert figures(again) == pytest.approx(figures(units))
    for label in "abc":
        assert specific(again, renamed[label]) == specific(units, label)


@given(pairs)
def test_kappa_is_symmetric_and_swaps_change_nothing(pairs):
    assert cohen_kappa([(b, a) for a, b in pairs]) == cohen_kappa(pairs)


@given(st.lists(st.sampled_from("abc"), min_size=2), st.integers(2, 4))
def test_who_always_agree_agree_perfectly(labels, annotators):
    units = [[label] * annotators for label in labels]
    several = len(set(labels)) > 1
    one = pytest.approx(1)
    assert observed(units) == one
    assert gwet_ac1(units, "abc")[0] == one
    assert krippendorff_alpha(units) == (one if several else None)
    assert cohen_kappa([(a, a) for a in labels]) == (one if several else None)
    assert {specific(units, label) for label in labels} == {1}


@given(units)
def test_figures_stay_within_their_bounds(units):
    ac1, interval = gwet_ac1(units, "abc")
    alpha = krippendorff_alpha(units)
    assert alpha is None or alpha <= 1 + 1e-9
    assert ac1 is None or -1 <= ac1 <= 1 + 1e-9
    if interval is not None:
        assert -1 <= interval.low <= ac1 + 1e-9
        assert ac1 - 1e-9 <= interval.high <= 1


def votes(*lines):
    """State's votes, from lines such as "ann object:dog merge object:cat"."""
    events = []
    for line in lines:
        by, key, act, *to = line.split(" ")
        events.append(new_event(by, key, act, to=to[0] if to else None))
    return replay(events).votes


VOTES = votes(
    "ann object:dog keep",
    "bob object:dog keep",
    "ann object:cat keep",
    "bob object:cat rename kitten",
    "ann object:thing keep",
    "bob object:thing drop",
    "ann action:run drop",
    "bob action:run drop",
    "ann object:cow keep",
    "cyd action:run keep",
)


def test_figures_per_kind_of_two_annotators():
    found = agreements(VOTES, ["ann", "bob"])
    assert list(found) == ["object", "action", "all"]
    assert found["object"] == Agreement(
        n=3,
        raw=pytest.approx(2 / 3),
        exact=pytest.approx(1 / 3),
        kappa=pytest.approx(0),
        alpha=pytest.approx(0),
        ac1=pytest.approx((2 / 3 - 10 / 36) / (26 / 36)),
        ac1_interval=found["object"].ac1_interval,
        positive=pytest.approx(0.8),
        negative=0,
    )
    assert (found["action"].raw, found["action"].kappa, found["action"].negative) == (1, None, 1)
    assert found["all"].n == 4


def test_kappa_is_for_two_annotators_only():
    found = agreements(VOTES)
    assert found["all"].kappa is None
    assert found["all"].n == 4
    assert found["action"].raw == pytest.approx(1 / 3)


def test_each_two_annotators_that_share_a_tag():
    found = pairwise(VOTES)
    assert {pair: (figures.n, figures.raw) for pair, figures in found.items()} == {
        ("ann", "bob"): (4, 0.75),
        ("ann", "cyd"): (1, 0),
        ("bob", "cyd"): (1, 0),
    }
    assert agreements(votes("ann object:dog keep")) == pairwise({}) == {}


def test_disagreements_in_anything_by_tag():
    found = [(d.tag, [e.by for e in d.votes], d.on_keeping) for d in disagreements(VOTES)]
    assert found == [
        (Tag("action", "run"), ["ann", "bob", "cyd"], True),
        (Tag("object", "cat"), ["ann", "bob"], False),
        (Tag("object", "thing"), ["ann", "bob"], True),
    ]
    assert [d.tag.tag for d in disagreements(VOTES, ["ann", "bob"])] == ["cat", "thing"]
