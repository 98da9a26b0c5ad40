"""What the demo suggests at its end are commands as they are, one after the other."""

from __future__ import annotations

from tag2text.demo import NEXT
from tests.tag2text.documents import noted, parse


def test_every_line_that_is_suggested_is_understood() -> None:
    found = noted("".join(line for line in NEXT.splitlines(keepends=True) if line[:2] == "  "))
    assert [words[0] for words in found] == ["tag2text"] * NEXT.count("\n  tag2text")
    for words in found:
        parse(list(words[1:]))
    made = {words[words.index("--output") + 1] for words in found if "--output" in words}
    used = {word for words in found for word in words if word.startswith("data/")}
    places = {"/".join(path.split("/")[:2]) for path in used}
    assert places <= made


def test_the_training_that_is_suggested_is_one_for_a_cpu() -> None:
    (train,) = (line for line in NEXT.splitlines() if "tag2text train" in line)
    assert "--preset tiny" in train
