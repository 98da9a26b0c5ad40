"""How many raw web captions get at least one tag of a vocabulary, by parser and by matching.

    python -m benchmarks.coverage

The vocabulary is ``annotations/candidates.tsv`` less the tags that only this web corpus holds, so
that nothing is matched that was counted there alone.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

from benchmarks.data import DEFAULT, captions
from benchmarks.tables import print_table
from vocab.build import build
from vocab.candidates import read_candidates
from vocab.graph import Tag
from vocab.parser import load_parser
from vocab.vocabulary import Vocabulary

CORPUS = "web"


def vocabulary_without(path: Path, source: str) -> Vocabulary:
    """Return the candidates as a vocabulary, without those that ``source`` alone holds."""
    table = read_candidates(path)
    kept = (r for r in table.rows if any(n for name, n in r.sources.items() if name != source))
    return build(replace(table, rows=tuple(kept)), {}).vocabulary


def share(tagged: Iterable[list[Tag]], has_class: Callable[[list[Tag]], bool]) -> str:
    """Return the share of captions for whose tags ``has_class`` holds."""
    found = [has_class(tags) for tags in tagged]
    return f"{sum(found) / len(found):.1%}"


def main() -> None:
    """Parse the flags and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=DEFAULT)
    parser.add_argument("--candidates", type=Path, default=Path("annotations/candidates.tsv"))
    flags = parser.parse_args()
    vocabulary = vocabulary_without(flags.candidates, CORPUS)
    exact = set(vocabulary.tags)
    texts = list(captions(flags.data, CORPUS))
    rows = []
    for name in ("sng", "rules"):
        tagged = [list(graph.tags) for graph in load_parser(name).parse(texts)]
        rows.append((name, share(tagged, lambda tags: not exact.isdisjoint(tags)),
                     share(tagged, lambda tags: bool(vocabulary.encode(tags)))))  # fmt: skip
    header = ("parser", "exact matches only", "with lemma, reversal, suffix (target: 80%)")
    title = f"Captions with a tag: {len(texts):,} of raw web text, {len(vocabulary):,} classes"
    print_table(title, header, rows)


if __name__ == "__main__":
    main()
