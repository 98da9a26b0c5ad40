"""Any text through the parser of captions, and files of captions on the command line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from hypothesis import strategies as st

from tag2text.command_parse import _json_line, _lines, _with_graphs
from tests.fuzz.hostile import TEXTS, broken, texts
from tests.fuzz.law import Target
from vocab.clean import MAX_WORDS, clean_caption, looks_english
from vocab.graph import KINDS
from vocab.keys import checked
from vocab.parser import CaptionParser, load_parser

_WORDS = (
    "a the two man woman red dog dogs riding holding bike on in of with and near sitting "
    "is are not <person> 3 , . ' \" ( ) - / & &amp; &lt; # @ http:// t - shirt 's"
).split()
_SEEDS = ("a red dog runs along the beach", "a man riding a bike in the street", "")


@cache
def _parser() -> CaptionParser:
    return load_parser("rules", batch_size=64)


def _parse(folder: Path, caption: str) -> None:
    graphs = list(_parser().parse([caption]))
    assert len(graphs) == 1
    (graph,) = graphs
    json.dumps(graph.to_json(), ensure_ascii=False).encode()
    for entity in graph.entities:
        assert entity.head
        assert entity.kind in KINDS
    for relation in graph.relations:
        for end in (relation.subject, relation.object):
            assert end is None or 0 <= end < len(graph.entities)
    for tag in graph.tags:
        checked(tag)


def _clean(folder: Path, caption: str) -> None:
    made = clean_caption(caption)
    assert len(made.split(" ")) <= MAX_WORDS
    made.encode()
    assert made.isprintable()
    looks_english(caption)


def _command(folder: Path, content: bytes) -> None:
    path = folder / "captions.txt"
    path.write_bytes(content)
    given = content.split(b"\n")
    wanted = len(given) - (not given[-1])
    made = [_json_line(*pair) for pair in _with_graphs(_lines(path), _parser())]
    assert len(made) == wanted
    for line in made:
        assert "\n" not in line
        json.loads(line)
        line.encode()


def targets() -> Iterator[Target]:
    """Yield the targets of this module."""
    spoken = st.lists(st.sampled_from(_WORDS) | texts(), max_size=40).map(" ".join)
    long = st.builds(lambda text, times: text * times, spoken, st.sampled_from((1, 1, 50, 2000)))
    yield Target(name="clean", run=_clean, cases=long | texts(), seeds=_SEEDS, quick=100)
    yield Target(
        name="parser", run=_parse, cases=long | texts(), seeds=_SEEDS, found=TEXTS, ready=_parser
    )
    lines = "a red dog runs\n\na cät\n".encode()
    yield Target(
        name="parse-input", run=_command, cases=broken((lines,)), seeds=(lines,), ready=_parser
    )
