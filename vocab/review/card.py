"""The card: everything that is shown about one tag, as lines for a given width and height."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vocab.candidates import Candidate
from vocab.decisions import Event
from vocab.graph import Tag
from vocab.highlight import find_tags
from vocab.review.desk import Desk
from vocab.review.evidence import Clues
from vocab.review.lines import Line, Marks, Span, bar, clean, fit, plain, spread, wrap
from vocab.review.lines import width as cells
from vocab.wording import counted

if TYPE_CHECKING:
    from vocab.examples import Example

SIDES = {"keep": "keep", "rename": "keep", "retype": "keep", "drop": "drop", "merge": "merge"}


@dataclass(frozen=True, slots=True)
class Card:
    """What there is to say about a tag; ``others`` are decisions on tags that the card names."""

    row: Candidate
    total: int
    predicted: float | None
    clues: Clues
    decision: Event | None = None
    flagged: bool = False
    notes: Sequence[str] = ()
    kinds: Sequence[Tag] = ()
    others: Mapping[Tag, Event | None] | None = None
    votes: Sequence[Event] = ()
    missing: str = ""


def make_card(desk: Desk, tag: Tag, votes: Sequence[Event] = ()) -> Card:
    """Return the card of a tag as things stand."""
    session, clues, kinds = desk.session, desk.clues(tag), desk.other_kinds(tag)
    named = [*kinds, *(merge.tag for merge in clues.merges)]
    return Card(
        session.rows[tag],
        len(session.rows),
        desk.predicted(tag),
        clues,
        session.decision(tag),
        session.flagged(tag),
        session.notes(tag),
        kinds,
        {other: session.decision(other) for other in named},
        votes,
        desk.evidence.missing,
    )


def mark_of(decision: Event | None, marks: Marks) -> Span:
    """Return the sign of a decision, which tells without colour too."""
    if decision is None:
        return Span(marks.undecided, "dim")
    side = SIDES[decision.act]
    sign = {"keep": marks.kept, "drop": marks.dropped, "merge": marks.merged}[side]
    return Span(sign, side)


def card_lines(card: Card, width: int, height: int, marks: Marks) -> list[list[Span]]:
    """Return at most ``height`` lines; the captions get what room the other parts leave."""
    head = _head(card, width, marks)
    tail = _tail(card, width, marks)
    bars = _sources(card.row, width, marks, limit=8 if height > 32 else 3)
    room = height - len(head) - len(bars) - len(tail)
    if room < 5:  # too low a screen for everything: the counts go first, then the suggestions
        bars = []
        room = height - len(head) - len(tail)
    if room < 3:
        tail = tail[: max(0, height - len(head) - 3)]
        room = height - len(head) - len(tail)
    captions = _captions(card, width, room - 1, marks)
    spare = room - len(captions)
    gaps = [[Span("")]] if spare > 0 else []
    more = [[Span("")]] if spare > 1 and bars else []
    lines = [*head, *bars, *gaps, *captions, *(more if tail else []), *tail]
    return [fit(line, width, marks.cut) for line in lines[:height]]


def _head(card: Card, width: int, marks: Marks) -> list[list[Span]]:
    row = card.row
    name = [Span(clean(row.tag), "title"), Span(f"  {row.kind}", f"kind {row.kind}")]
    if card.flagged:
        name.append(Span(f"  {marks.flagged} flagged", "warn"))
    stands = [mark_of(card.decision, marks), *_decided(card.decision)] if card.decision else []
    dot = f" {marks.dot} "
    total = f" of {card.total:,}" if width >= 56 else ""
    facts = f"rank {row.rank:,}{total}{dot}{counted(row.images, 'image')}"
    facts += f"{dot}{counted(row.captions, 'caption')}" if width >= 64 else ""
    lines = [
        spread(name, stands, width, marks.cut),
        spread([Span(facts, "dim")], _guess(card), width),
    ]
    lines += [fit([Span("note: ", "dim"), Span(clean(note))], width) for note in card.notes[-2:]]
    return lines


def in_words(decision: Event | None) -> str:
    """Return a decision without the tag: "merged into object:gray", "dropped (vague)"."""
    if decision is None:
        return "undecided"
    words = {"keep": "kept", "drop": "dropped", "merge": "merged into"}
    text = words.get(decision.act, f"{decision.act} to")
    text += f" {clean(decision.to)}" if decision.to else ""
    return text + (f" ({decision.why})" if decision.why else "")


def _decided(decision: Event) -> list[Span]:
    return [Span(f" {in_words(decision)}", SIDES[decision.act])]


def _guess(card: Card) -> list[Span]:
    p = card.predicted
    if p is None:
        return []
    side = "keep" if p >= 0.5 else "drop"
    return [Span("predicted ", "dim"), Span(f"{side} {max(p, 1 - p):.0%}", side)]


def by_source(row: Candidate) -> list[tuple[str, int]]:
    """Return the sources that hold the tag with their images, the most first."""
    counts = sorted(row.sources.items(), key=lambda item: (-item[1], item[0]))
    return [(name, count) for name, count in counts if count]


def _sources(row: Candidate, width: int, marks: Marks, *, limit: int) -> list[list[Span]]:
    """Return the sources of the most images with a bar each, the rest as one line."""
    counts = by_source(row)
    if not counts:
        return []
    top, rest = counts[:limit], counts[limit:]
    names = max(len(name) for name, _ in top)
    room = max(4, min(30, width - names - 12))
    lines = [
        [
            Span(f"{clean(name):<{names}} {count:>8,} ", "dim"),
            Span(bar(count / top[0][1], room, marks), "bar"),
        ]
        for name, count in top
    ]
    if rest:
        text = f"  + {len(rest)} more: {sum(count for _, count in rest):,}"
        lines[-1].append(Span(text, "dim"))
    return lines


def _captions(card: Card, width: int, room: int, marks: Marks) -> list[list[Span]]:
    captions = card.clues.captions
    if not captions:
        text = card.missing or "no caption at hand"
        return [[Span(line[0].text, "dim")] for line in wrap([Span(text)], width)][: max(0, room)]
    lines: list[list[Span]] = []
    for caption, height in zip(captions, _heights(captions, width, room), strict=True):
        lines += _caption(caption, card.row.key, width, height, marks)
    return lines[: max(0, room)]


def _heights(captions: Sequence[Example], width: int, room: int) -> list[int]:
    """Return how many lines each caption gets: what it needs, the longest cut first."""
    wrapped = (wrap([Span(f"{clean(c.text)}  {clean(c.source)}")], width - 2) for c in captions)
    heights = [min(4, len(lines)) for lines in wrapped]
    while sum(heights) > room and max(heights) > 1:
        longest = max(range(len(heights)), key=lambda n: (heights[n], n))
        heights[longest] -= 1
    return heights


def _caption(caption: Example, tag: Tag, width: int, most: int, marks: Marks) -> list[list[Span]]:
    """Return a caption with the tag highlighted, cut to ``most`` lines around it."""
    text = clean(caption.text)
    source = Span(f"  {clean(caption.source)}", "dim")
    spans = _highlighted(text, tag)
    lines = wrap([*spans, source], width - 2)
    if len(lines) > most:
        spans = _around(spans, (width - 3) * most - len(source.text) - 1, marks.cut)
        lines = wrap([*spans, source], width - 2)[:most]
    bullet = Span(f"{marks.dot} ", "dim")
    return [[bullet if not n else Span("  "), *line] for n, line in enumerate(lines)]


def _highlighted(text: str, tag: Tag) -> list[Span]:
    spans: list[Span] = []
    at = 0
    for found in find_tags(text, [tag]):
        spans += [Span(text[at : found.start]), Span(text[found.start : found.end], "tag")]
        at = found.end
    return [span for span in (*spans, Span(text[at:])) if span.text]


def _around(spans: Sequence[Span], room: int, cut: str) -> list[Span]:
    """Return ``spans`` cut to some ``room`` characters in which the first tag stands."""
    text = plain(spans)
    at = 0
    for span in spans:
        if span.role == "tag":
            break
        at += len(span.text)
    else:
        at = 0
    start = max(0, min(at - room // 3, len(text) - room))
    if start:
        start = text.find(" ", start, at) + 1 or start
    piece = _slice(spans, start, start + room)
    return [*([Span(cut, "dim")] if start else []), *piece, Span(cut, "dim")]


def _slice(spans: Line, start: int, stop: int) -> list[Span]:
    pieces, at = [], 0
    for text, role in spans:
        piece = text[max(0, start - at) : max(0, stop - at)]
        at += len(text)
        if piece:
            pieces.append(Span(piece, role))
    return pieces


def _tail(card: Card, width: int, marks: Marks) -> list[list[Span]]:
    lines = _votes(card, width, marks)  # first: where room is scarce the end is cut
    if card.clues.gloss:
        text = [Span("means ", "dim"), Span(clean(card.clues.gloss))]
        lines += wrap(text, width, indent="  ")[:2]
    others = card.others or {}
    if card.kinds:
        line = [Span("also  ", "dim")]
        for other in card.kinds:
            line += [mark_of(others.get(other), marks), Span(f" {other.kind}  ")]
        lines.append(line)
    for number, merge in enumerate(card.clues.merges, 1):
        tag = merge.tag
        name = tag.tag if tag.kind == card.row.kind else f"{tag.tag} ({tag.kind})"
        into = [Span(f"{number} ", "key"), Span("merge into ", "dim")]
        left = [*into, mark_of(others.get(tag), marks), Span(f" {clean(name)}")]
        room = width - cells(left) - 1  # the tag is what counts: why is cut before it
        why = fit([Span(clean(merge.why), "dim")], room, marks.cut) if room > 8 else []
        lines.append(spread(left, why, width, marks.cut))
    return lines


def _votes(card: Card, width: int, marks: Marks) -> list[list[Span]]:
    """Return the votes of all annotators, for those who settle what these disagree on."""
    lines: list[list[Span]] = []
    for vote in card.votes:
        note = [Span(f"  {clean(vote.note)}", "dim")] if vote.note else []
        line = [Span(f"{vote.by:<12} "), mark_of(vote, marks), *_decided(vote), *note]
        lines += wrap(line, width, indent="  ")[:2]
    return lines
