import re
from datetime import datetime, timezone

import pytest

from vocab.candidates import Candidate, Candidates
from vocab.decisions import Event
from vocab.diff import compare, parse_moment, summary, vocabulary_at
from vocab.errors import InputError, UsageError
from vocab.keys import tag_of

KEYS = ("object:dog", "object:puppy", "object:airplane", "object:plane", "object:brush", "object:x")
CANDIDATES = Candidates(
    tuple(Candidate(n, *tag_of(key), 100 - n, 200 - n) for n, key in enumerate(KEYS, 1)), (), "0"
)
START = 1_700_000_000_000  # ms: 2023-11-14 22:13:20 UTC


def events(*votes):
    """Events an hour apart, from lines such as "object:plane merge object:airplane"."""
    made = []
    for n, vote in enumerate(votes):
        key, act, *to = vote.split(" ", 2)
        ts = START + n * 3_600_000
        made.append(Event(id=str(n), ts=ts, by="a", key=key, act=act, to=to[0] if to else None))
    return made


def changes(before, after):
    old, new = (vocabulary_at(CANDIDATES, events(*votes), None) for votes in (before, after))
    return [c.cells() for c in compare(old, new).changes]


@pytest.mark.parametrize(
    "before, after, expected",
    [
        ([], [], []),
        (["object:x drop"], [], [("added", "object:x", "", "object:x")]),
        ([], ["object:x drop"], [("removed", "object:x", "object:x", "")]),
        (
            [],
            ["object:brush rename paintbrush"],
            [("renamed", "object:brush", "object:brush", "object:paintbrush")],
        ),
        (
            ["object:brush rename paintbrush"],
            ["object:brush rename brush of paint"],
            [("renamed", "object:paintbrush", "object:paintbrush", "object:brush of paint")],
        ),
        (
            [],
            ["object:brush retype action"],
            [("retyped", "object:brush", "object:brush", "action:brush")],
        ),
        (
            ["object:brush rename paintbrush"],
            [],
            [("renamed", "object:paintbrush", "object:paintbrush", "object:brush")],
        ),
        (
            ["object:brush retype action"],
            ["object:brush drop"],
            [("removed", "action:brush", "action:brush", "")],
        ),
        (
            ["object:plane merge object:airplane", "object:airplane rename aircraft"],
            [],
            [
                ("parted", "object:airplane", "object:aircraft", "object:airplane"),
                ("parted", "object:plane", "object:aircraft", "object:plane"),
            ],
        ),
        (
            [],
            ["object:plane merge object:airplane"],
            [("merged", "object:plane", "object:plane", "object:airplane")],
        ),
        (
            ["object:plane merge object:airplane"],
            ["object:plane merge object:dog"],
            [("merged", "object:plane", "object:airplane", "object:dog")],
        ),
        (
            ["object:plane merge object:airplane"],
            [],
            [("parted", "object:plane", "object:airplane", "object:plane")],
        ),
        (  # an alias that goes with its class is no change of its own
            ["object:plane merge object:airplane"],
            ["object:plane merge object:airplane", "object:airplane rename aircraft"],
            [("renamed", "object:airplane", "object:airplane", "object:aircraft")],
        ),
        (
            ["object:x drop"],
            ["object:x rename cross"],
            [("added", "object:cross", "", "object:cross")],
        ),
        (
            ["object:x drop"],
            ["object:x merge object:dog"],
            [("merged", "object:x", "", "object:dog")],
        ),
        (
            ["object:plane merge object:airplane"],
            ["object:plane merge object:airplane", "object:airplane merge object:dog"],
            [("merged", "object:airplane", "object:airplane", "object:dog")],
        ),
    ],
)
def test_what_changed(before, after, expected):
    assert changes(before, after) == expected


def test_two_moments_of_a_log():
    log = events("object:x drop", "object:dog merge object:puppy", "object:x keep")
    moments = [datetime.fromtimestamp(START / 1000 + h * 3600, timezone.utc) for h in (0, 1, 2)]
    first, second, last = (vocabulary_at(CANDIDATES, log, moment) for moment in moments)
    assert (len(first), len(second), len(last)) == (5, 4, 5)
    difference = compare(first, last)
    assert [c.what for c in difference.changes] == ["added", "merged"]
    assert summary(difference) == [
        f"5 classes, now 5; fingerprint {first.fingerprint[:12]}, now {last.fingerprint[:12]}",
        "1 added, 1 merged",
    ]
    assert difference.to_json()["changes"][0] == {
        "what": "added", "tag": "object:x", "before": "", "after": "object:x",
    }  # fmt: skip
    assert summary(compare(last, last)) == [
        f"5 classes, now 5; fingerprint {last.fingerprint[:12]}, now {last.fingerprint[:12]} "
        "(the same classes)",
        "nothing changed",
    ]
    assert vocabulary_at(CANDIDATES, log, None) == last


def test_a_moment_at_which_nothing_can_be_built_is_named():
    log = events("object:x merge object:dog", "object:dog drop")
    when = datetime(2025, 1, 1, tzinfo=timezone.utc)
    with pytest.raises(InputError, match=re.escape("built 2025-01-01 00:00+00:00: object:x is")):
        vocabulary_at(CANDIDATES, log, when)


def test_times_as_people_write_them():
    assert parse_moment("2026-03-31T14:05+02:00") == parse_moment("2026-03-31T12:05Z")
    assert parse_moment("2026-03-31").tzinfo
    for text in ("", "yesterday", "2026-13-01", "9999-12-31T23:59-23:00"):
        with pytest.raises(UsageError, match="is no time; write it as 2026-03-31"):
            parse_moment(text)
