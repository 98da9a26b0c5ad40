"""How well the parsers find what people find in captions: F1 on FACTUAL's human scene graphs.

python -m benchmarks.parser_quality [--data DIRECTORY] [--held-out]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.data import DEFAULT
from benchmarks.factual import (
    MEASURES,
    Facts,
    Region,
    f1_scores,
    facts_of_graph,
    facts_of_people,
    read_regions,
)
from benchmarks.tables import print_table
from vocab.parser import CaptionParser, load_parser

TARGETS = {"entity": 90, "attribute": 81, "verb": 89, "triple": 66}
WRITTEN: dict[str, Callable[[str], str]] = {
    "as written": str,
    "Title Case": str.title,
    "ALL CAPS": str.upper,
}


def scores(
    parser: CaptionParser,
    regions: Sequence[Region],
    people: Sequence[Facts],
    write: Callable[[str], str],
) -> dict[str, tuple[float, float, float]]:
    """Return precision, recall and F1 per measure, with the captions written in some way."""
    graphs = parser.parse(write(region.caption) for region in regions)
    return f1_scores(zip(map(facts_of_graph, graphs), people, strict=True))


def report(part: str, regions: Sequence[Region]) -> None:
    """Print the tables of one part of the data."""
    people = [facts_of_people(region) for region in regions]
    parsers = {"sng_parser": load_parser("sng"), "rules": load_parser("rules")}
    rows, details = [], []
    for how, write in WRITTEN.items():
        for name, parser in parsers.items():
            found = scores(parser, regions, people, write)
            rows.append((name, how, *(f"{found[m][2]:.1f}" for m in MEASURES)))
            if how == "as written":
                cells = (f"{found[m][0]:.1f} / {found[m][1]:.1f}" for m in MEASURES)
                details.append((name, *cells))
    rows.append(("target", "", *(TARGETS[m] for m in MEASURES)))
    print_table(
        f"Parser quality, F1, {part}: {len(regions):,} captions",
        ("parser", "captions", *MEASURES),
        rows,
    )
    print_table(f"Precision / recall, {part}", ("parser", *MEASURES), details)


def main() -> None:
    """Parse the flags and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=DEFAULT)
    parser.add_argument("--held-out", action="store_true", help="the part kept for the end, too")
    flags = parser.parse_args()
    path = flags.data / "vg" / "factual_regions.tsv.gz"
    if not path.is_file():
        raise SystemExit(f"--data {flags.data}: {path} is missing; the human graphs lie there")
    for part in ("dev", "held-out") if flags.held_out else ("dev",):
        report(part, read_regions(path, part))


if __name__ == "__main__":
    main()
