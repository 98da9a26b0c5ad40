import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vocab.decisions import (
    MAX_LINE,
    Decision,
    Event,
    Unresolved,
    effective,
    format_event,
    parse_event,
    read_log,
    replay,
    resolve,
)
from vocab.errors import InputError
from vocab.graph import Tag
from vocab.keys import has_controls

DOG = Tag("object", "dog")


def event(id, act="keep", *, ts=None, key="object:dog", by="ann", **more):
    return Event(id=id, ts=int(id) if ts is None else ts, by=by, key=key, act=act, **more)


def act_of(events, by="ann", tag=DOG):
    found = replay(events).votes.get((by, tag))
    return found and found.act


texts = st.text(max_size=8).filter(lambda t: not any("\ud800" <= c <= "\udfff" for c in t))
reasons = texts.filter(lambda text: not has_controls(text))
keys = st.sampled_from(["object:dog", "scene:beach", "action:a:b"])
identifiers = st.integers(0, 12).map(str)


@st.composite
def events(draw):
    act = draw(st.sampled_from(["keep", "drop", "merge", "retype", "rename", "skip", "undo"]))
    to = {"merge": "object:cat", "retype": "attribute", "rename": "puppy"}.get(act)
    own = draw(identifiers)
    if act == "undo":
        to = draw(identifiers.filter(lambda other: other != own))
    return Event(
        id=own,
        ts=draw(st.integers(0, 9)),
        by=draw(st.sampled_from(["ann", "bob"])),
        key=draw(keys),
        act=act,
        to=to,
        why=draw(st.none() | reasons),
        note=draw(st.none() | texts),
        via=draw(st.sampled_from(["card", "adjudicate"])),
        ms=draw(st.none() | st.integers(0, 10**6)),
        p=draw(st.none() | st.floats(0, 1)),
    )


logs = st.lists(events(), max_size=20)


def unique(log):
    return list({e.id: e for e in log}.values())


def test_an_event_is_one_line_with_its_fields_in_fixed_order():
    line = format_event(event("7", "merge", to="object:cat", note="a\nb é", ms=410, p=0.25))
    assert line == (
        '{"v":1,"id":"7","ts":7,"by":"ann","key":"object:dog","act":"merge","to":"object:cat",'
        '"note":"a\\nb é","via":"card","ms":410,"p":0.25}\n'
    )


@given(events())
def test_an_event_comes_back_from_its_line(made):
    line = format_event(made)
    assert line.count("\n") == 1
    assert parse_event(line.encode()) == made


def test_an_event_that_json_cannot_hold_is_not_made():
    with pytest.raises(ValueError, match="p is not a probability"):
        event("1", p=float("nan"))
    with pytest.raises(ValueError, match="note is not a text"):
        event("1", note="\ud800")


@given(logs, st.randoms())
def test_shuffled_or_doubled_input_gives_the_same_state(log, random):
    again = log + random.sample(log, random.randint(0, len(log)))
    random.shuffle(again)
    assert replay(again) == replay(log)
    assert list(resolve(replay(again)).items()) == list(resolve(replay(log)).items())


@given(logs.map(unique), st.data())
def test_a_torn_tail_gives_a_prefix(tmp_path_factory, log, data):
    path = tmp_path_factory.mktemp("log") / "ann.jsonl"
    whole = "".join(map(format_event, log)).encode()
    size = data.draw(st.integers(0, len(whole)))
    path.write_bytes(whole[:size])
    found, problems = read_log([path])
    assert found == log[: len(found)]
    complete = whole[:size].count(b"\n")
    assert len(found) in (complete, complete + 1)  # a line may lack no more than its line end
    assert len(problems) <= 1


@given(logs.map(unique))
def test_an_undo_returns_the_state_before_and_its_undo_the_state_after(log):
    after = replay(log)
    undo = Event(id="u1", ts=100, by="ann", key="object:dog", act="undo", to="last")
    last = Event(id="last", ts=50, by="ann", key="object:dog", act="drop")
    redo = replace(undo, id="u2", ts=101, to="u1")
    assert replay([*log, last]).votes["ann", DOG] == last
    assert replay([*log, last, undo]) == after
    assert replay([*log, last, undo, redo]).votes["ann", DOG] == last
    assert replay([*log, last, undo, redo, replace(undo, id="u3", ts=102, to="u2")]) == after


def test_undo_all_the_way_back_and_forth():
    log = [event("1", "keep"), event("2", "drop"), event("3", "rename", to="puppy")]
    undos = [event("4", "undo", to="3"), event("5", "undo", to="2"), event("6", "undo", to="1")]
    assert [act_of(log + undos[:n]) for n in range(4)] == ["rename", "drop", "keep", None]
    redos = [event("7", "undo", to="6"), event("8", "undo", to="5"), event("9", "undo", to="4")]
    assert [act_of(log + undos + redos[:n]) for n in (1, 2, 3)] == ["keep", "drop", "rename"]


def test_an_undo_reaches_only_its_own_annotators_events():
    log = [event("1", "drop"), event("2", "undo", to="1", by="bob")]
    assert act_of(log) == "drop"


def test_an_undo_whose_clock_went_back_still_counts():
    assert act_of([event("1", "drop", ts=100), event("2", "undo", to="1", ts=50)]) is None


def test_undos_that_name_each_other_do_no_harm():
    log = [event("1", "keep"), event("2", "undo", to="3"), event("3", "undo", to="2")]
    assert act_of(log) == "keep"


def test_skip_flag_and_note_leave_the_decision():
    log = [event("1", "drop")]
    log += [event(str(n), act) for n, act in enumerate(("skip", "flag", "note"), 2)]
    assert act_of(log) == "drop"
    assert [e.act for e in effective(log)] == ["drop", "skip", "flag", "note"]


def test_events_at_the_same_time_go_by_id():
    assert act_of([event("2", "keep", ts=5), event("1", "drop", ts=5)]) == "keep"


def test_a_ruling_is_no_vote_and_the_adjudicators_vote_stays():
    log = [
        event("1", "keep"),
        event("2", "drop", via="adjudicate"),
        event("3", "rename", to="puppy"),
    ]
    state = replay(log)
    assert state.votes["ann", DOG].act == "rename"
    assert state.rulings[DOG].act == "drop"
    decision = resolve(state)[DOG]
    assert (decision.act, decision.how, decision.events) == ("drop", "adjudicated", (log[1],))


MERGE = {"act": "merge", "to": "object:cat"}
RENAME = {"act": "rename", "to": "puppy"}
KEEP, DROP = {"act": "keep"}, {"act": "drop"}


@pytest.mark.parametrize(
    "votes, expected",
    [
        ([KEEP], ("keep", "unanimous", 1)),
        ([DROP, DROP], ("drop", "unanimous", 2)),
        ([MERGE, MERGE], ("merge", "unanimous", 2)),
        ([KEEP, KEEP, DROP], ("keep", "majority", 2)),
        ([KEEP, DROP, DROP], ("drop", "majority", 2)),
        ([KEEP, KEEP, RENAME], ("keep", "majority", 2)),
        ([RENAME, RENAME, DROP], ("rename", "majority", 2)),
        ([KEEP, DROP], None),
        ([KEEP, MERGE], None),
        ([KEEP, MERGE, DROP], None),
        ([KEEP, MERGE, RENAME], None),
    ],
)
def test_resolution_by_vote(votes, expected):
    log = [event(str(n), by=f"a{n}", **vote) for n, vote in enumerate(votes)]
    found = resolve(replay(log))[DOG]
    if expected is None:
        assert found == Unresolved(tuple(log))
    else:
        assert (found.act, found.how, len(found.events)) == expected


def test_the_reason_is_one_that_a_backer_gave():
    log = [event("1", "drop", by="a"), event("2", "drop", by="b", why="proper-name")]
    log += [event("3", "keep", by="c", why="no")]
    found = resolve(replay(log))[DOG]
    assert isinstance(found, Decision)
    assert found.why == "proper-name"


def line(**fields):
    whole = {"v": 1, "id": "1", "ts": 1, "by": "ann", "key": "object:dog", "act": "keep", **fields}
    return json.dumps(whole).encode()


GOOD = line()


@pytest.mark.parametrize(
    "bad, reason",
    [
        (b"x" * 1_000_000, f"longer than {MAX_LINE} bytes"),
        (line(note="n" * 1_000_000), f"longer than {MAX_LINE} bytes"),
        (b"[" * 60_000, "nested too deeply"),
        (b'{"a":' * 10_000, "nested too deeply"),
        (b"<<<<<<< HEAD", "not JSON (Expecting value at column 1)"),
        (GOOD[:-3], "not JSON (Unterminated string starting at"),
        (b"\xff\xfe", "not UTF-8"),
        (b"[1]", "not a JSON object"),
        (b"null", "not a JSON object"),
        (GOOD + b" {}", "not JSON (Extra data at column"),
        (GOOD[:-1] + b',"act":"drop"}', "a field stands twice"),
        (GOOD[:-1] + b',"p":NaN}', "NaN is not a number of JSON"),
        (GOOD[:-1] + b',"p":-Infinity}', "-Infinity is not a number of JSON"),
        (GOOD[:-1] + b',"p":1e999}', "p is not a probability"),
        (line(p=1.5), "p is not a probability"),
        (line(p=True), "p is not a probability"),
        (line(ts=-1), "ts is not a whole number of 0 or more"),
        (line(ts=1.5), "ts is not a whole number of 0 or more"),
        (line(ts=True), "ts is not a whole number of 0 or more"),
        (line(ts=2**60), "ts is not a whole number of 0 or more"),
        (line(ms=2**53), "ms is not a whole number of 0 or more"),
        (line(ms="3"), "ms is not a whole number of 0 or more"),
        (line(id=1), "id is not a text"),
        (line(by=None), "by is not a text"),
        (line(by=["ann"]), "by is not a text"),
        (line(act={"a": 1}), "act is not a text"),
        (line(note="\ud800"), "note is not a text"),
        (line(id=""), "id and by must not be empty"),
        (line(v=2), "version 2 of the format is not known (known: 1)"),
        (line(extra=1), "unknown field 'extra'"),
        (b'{"v":1,"id":"1"}', "lacks act, by, key, ts"),
        (line(act="delete"), "unknown act 'delete' (known: keep, drop, merge, retype, rename,"),
        (line(act="x" * 60_000), "unknown act 'xxxx"),
        (line(via="phone"), "unknown via 'phone' (known: card,"),
        (line(key="dog"), "'dog' is not of the form kind:tag"),
        (line(key="thing:dog"), "unknown kind 'thing' (known: object,"),
        (line(key="object:a\tb"), "the tag 'a\\tb' holds a tab or a line break"),
        (line(to="object:cat"), "keep takes no 'to'"),
        (line(act="merge"), "merge needs a 'to'"),
        (line(act="merge", to="cat"), "'cat' is not of the form kind:tag"),
        (line(act="merge", to="object:dog"), "merge to itself"),
        (line(by="\x1b]0;ann"), "by or why holds a control character"),
        (line(why="\u202evague"), "by or why holds a control character"),
        (line(key="object:\x1b[2Jdog"), "the tag '\\x1b[2Jdog' holds a control character"),
        (line(act="rename", to="a\x9bb"), "the tag 'a\\x9bb' holds a control character"),
        (line(ts=253_402_300_800_000), "ts is past the year 9999"),
        (line(act="retype", to="verb"), "unknown kind 'verb'"),
        (line(act="retype", to="object"), "retype to itself"),
        (line(act="rename", to=" "), "the tag ' ' is empty or has spaces around it"),
        (line(act="rename", to="dog"), "rename to itself"),
        (line(act="undo", to="1"), "undo to itself"),
    ],
    ids=lambda value: value[:30] if isinstance(value, str) else "",
)
def test_a_hostile_line_is_a_problem_and_its_neighbours_stay(tmp_path, bad, reason):
    path = tmp_path / "ann.jsonl"
    good = [format_event(event(id)).encode() for id in ("8", "9")]
    path.write_bytes(good[0] + bad + b"\n\r\n" + good[1])
    found, problems = read_log([path])
    assert [e.id for e in found] == ["8", "9"]
    assert [(p.file, p.line) for p in problems] == [(path, 2)]
    assert problems[0].reason.startswith(reason)
    assert "\n" not in problems[0].reason and len(problems[0].reason) <= 200


def test_an_id_used_for_two_events_is_a_problem_but_a_copy_is_not(tmp_path):
    first, second = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    first.write_text(format_event(event("1")) + format_event(event("1")))
    second.write_text(format_event(event("1", "drop")))
    found, problems = read_log([first, second])
    assert found == [event("1")]
    assert problems == [(second, 1, "id '1' was used before, for another event")]


def test_the_longest_line_is_read_and_one_byte_more_is_not(tmp_path):
    path = tmp_path / "a.jsonl"
    room = MAX_LINE - len(format_event(event("1", note=""))) + 1
    path.write_text(
        format_event(event("1", note="n" * room)) + format_event(event("2", note="n" * (room + 1)))
    )
    found, problems = read_log([path])
    assert [e.id for e in found] == ["1"]
    assert [p.line for p in problems] == [2]


def test_a_log_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(InputError, match=r"no.jsonl: cannot be read \(No such file"):
        read_log([tmp_path / "no.jsonl"])


def test_nobody_can_displace_the_vote_of_somebody_else_by_its_id(tmp_path):
    (tmp_path / "aaa.jsonl").write_text(format_event(event("7", "drop", by="aaa")))
    (tmp_path / "bob.jsonl").write_text(format_event(event("7", "keep", by="bob")))
    found, problems = read_log([tmp_path / "aaa.jsonl", tmp_path / "bob.jsonl"])
    assert problems == []
    assert (act_of(found, "aaa"), act_of(found, "bob")) == ("drop", "keep")


@pytest.mark.parametrize("via", ["card", "sheet", "import", "rule", "adjudicate"])
def test_every_way_to_decide_is_read_back(via):
    assert parse_event(line(via=via)).via == via
