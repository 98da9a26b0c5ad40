"""The card as plain lines, in the order in which one would read them out."""

from __future__ import annotations

from vocab.review.card import Card, by_source, in_words
from vocab.review.lines import clean
from vocab.wording import counted


def spoken(card: Card) -> list[str]:
    """Return what the card shows, in words, a fact a line."""
    row = card.row
    lines = [f"{clean(row.tag)}: {row.kind}, rank {row.rank:,} of {card.total:,}{_guess(card)}"]
    if card.decision:
        lines.append(f"  now {in_words(card.decision)}")
    if card.flagged:
        lines.append("  flagged")
    lines += [f"  note: {clean(note)}" for note in card.notes]
    facts = f"{counted(row.images, 'image')}, {counted(row.captions, 'caption')}"
    lines.append(f"  {facts}{_sources(card)}")
    lines += [f"  - {clean(c.text)} ({clean(c.source)})" for c in card.clues.captions]
    if not card.clues.captions:
        lines.append(f"  {card.missing or 'no caption at hand'}")
    if card.clues.gloss:
        lines.append(f"  means {clean(card.clues.gloss)}")
    return [*lines, *_others(card), *_votes(card)]


def _guess(card: Card) -> str:
    p = card.predicted
    if p is None:
        return ""
    return f", predicted {'keep' if p >= 0.5 else 'drop'} {max(p, 1 - p):.0%}"


def _sources(card: Card) -> str:
    counts = by_source(card.row)
    if not counts:
        return ""
    named = ", ".join(f"{clean(name)} {count:,}" for name, count in counts[:3])
    return f" ({named}{f', and {len(counts) - 3} more' if len(counts) > 3 else ''})"


def _others(card: Card) -> list[str]:
    others = card.others or {}
    lines = [f"  also a candidate as {tag.kind}: {in_words(others.get(tag))}" for tag in card.kinds]
    for number, merge in enumerate(card.clues.merges, 1):
        tag = merge.tag
        why, stands = clean(merge.why), in_words(others.get(tag))
        lines.append(f"  {number}: merge into {tag.kind}:{clean(tag.tag)}? {why}; {stands}")
    return lines


def _votes(card: Card) -> list[str]:
    return [
        f"  {vote.by}: {in_words(vote)}{f', {clean(vote.note)}' if vote.note else ''}"
        for vote in card.votes
    ]
