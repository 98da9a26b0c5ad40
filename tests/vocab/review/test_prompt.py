import pytest

from tests.vocab.review.desks import Memory, make_candidates, make_desk, pull, tag
from vocab.decisions import replay
from vocab.errors import InputError
from vocab.log import log_path, new_event, open_log
from vocab.review.keymap import make_keymap
from vocab.review.prompt import prompt

DOG = tag("object:dog")


def run(text, log=None, *, keymap=None, ending=("the end",)):
    log = log or Memory()
    said = []
    lines = iter(text.splitlines())

    def read(question):
        said.append(question)
        try:
            return next(lines)
        except StopIteration:
            raise EOFError from None

    refused = prompt(
        make_desk(log, log.events), keymap or make_keymap(), ending=ending, read=read,
        write=said.append,
    )  # fmt: skip
    return log, "\n".join(said), refused


def acts(log):
    return [(e.act, e.key, e.to or e.why or e.note) for e in log.events]


def test_keys_and_names_decide_and_the_end_of_input_quits():
    log, said, refused = run("k\ndrop vague\n\nkeep\n")
    assert acts(log) == [
        ("keep", "object:dog", None),
        ("drop", "object:puppy", "vague"),
        ("keep", "object:gray", None),
    ]
    assert refused == 0
    assert "(1/10) Keep this tag [k,d," in said
    assert "kept object:dog" in said


def test_decisions_that_git_pulls_meanwhile_are_taken_in(tmp_path):
    path = log_path(tmp_path, "ann")
    said, lines = [], iter("k")

    def read(question):
        pull(path, new_event("ann", tag("object:puppy"), "drop"))
        return next(lines, "q")

    with open_log(path) as writer:
        prompt(make_desk(writer), make_keymap(), read=read, write=said.append)
    text = "\n".join(said)
    assert "the log was changed from outside (tags: 1)" in text
    assert "gray: object, rank 3 of 10" in text.split("changed from outside")[1]


@pytest.mark.parametrize(
    ("line", "event"),
    [
        ("merge object:puppy", ("merge", "object:dog", "object:puppy")),
        ("m puppy", ("merge", "object:dog", "object:puppy")),
        ("t scene", ("retype", "object:dog", "scene")),
        ("r big hound", ("rename", "object:dog", "big hound")),
        ("n is it one?", ("note", "object:dog", "is it one?")),
        ("s", ("skip", "object:dog", None)),
        ("flag", ("flag", "object:dog", None)),
        ("D name", ("drop", "object:dog", "name")),
        ("/beach\nk", ("keep", "scene:beach", None)),
        ("/ scene:beach\nk", ("keep", "scene:beach", None)),
        ("down\nk", ("keep", "object:puppy", None)),
        ("order alphabetical\nk", ("keep", "scene:beach", None)),
        ("filter action\nk", ("keep", "action:surf", None)),
    ],
)
def test_each_action_has_its_line(line, event):
    log, _, refused = run(line)
    assert acts(log) == [event]
    assert refused == 0


def test_undo_and_redo_work_across_sittings():
    log, _, _ = run("k\nk\n")
    run("u\nu\n", log)
    run("redo\nctrl+r\nu\n", log)
    assert [t for _, t in replay(log.events).votes] == [DOG]


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("bogus", "'bogus' is no key; ? shows the keys"),
        ("k now", "keep stands alone; what is 'now'?"),
        ("merge", "merge needs a tag after it"),
        ("m gray", "Near it: object:gray, attribute:gray"),
        ("m pupy", "Near it: object:puppy"),
        ("d silly", "'silly' is no reason (known: vague, name)"),
        ("t animal", "unknown kind 'animal'"),
        ("3", "there is no suggestion 3"),
        ("filter blue", "'blue' is no filter"),
        ("order random", "unknown order"),
        ("v", "sheet needs the screen"),
        ("u", "nothing is left to undo"),
        ("²", "is no key"),
    ],
)
def test_what_is_refused_says_why_and_changes_nothing(line, answer):
    log, said, refused = run(line)
    assert log.events == []
    assert answer in said
    assert refused == 1


def test_q_quits_and_reads_no_further():
    log, _, _ = run("k\nq\nk\n")
    assert len(log.events) == 1


def test_the_help_shows_the_keys_as_they_are():
    _, said, _ = run("?", keymap=make_keymap({"keep": ("y",)}))
    assert "  y keep: keep the tag" in said
    assert "reason vague: points at nothing" in said
    assert "sheet" not in said


def test_after_the_last_tag_it_says_what_is_next_and_still_undoes():
    log, said, _ = run("k\n" * 10 + "k\nu\nq\n")
    assert "the end" in said
    assert "(9/10) Keep this tag" in said
    assert "(10/10) No tag left" in said
    assert "(11/10)" not in said
    assert len(replay(log.events).votes) == 9


def test_no_tag_or_reason_of_a_table_can_reach_the_terminal_as_a_command():
    names = [f"object:{name}" for name in ("dog", "\x1b[2Jcat")]
    said = []
    lines = iter(["k", "flag", "merge object:cta", "d", "q"])
    desk = make_desk(candidates=make_candidates(names))
    desk.greeting = "\x1b]0;title\x07 bad line"
    prompt(desk, make_keymap(), read=lambda _: next(lines), write=said.append)
    assert any("cat" in line for line in said)
    assert "\x1b" not in "".join(said)


def test_a_full_disk_is_said_and_the_card_stays():
    log = Memory()
    log.full = True
    _, said, refused = run("k\nk\n", log)
    assert refused == 2
    assert said.count("No space left") == 2
    assert said.count("(1/10)") == 3


def test_input_that_is_no_text_is_refused():
    def read(question):
        raise UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte")

    with pytest.raises(InputError, match="not UTF-8"):
        prompt(make_desk(), make_keymap(), read=read, write=lambda line: None)
