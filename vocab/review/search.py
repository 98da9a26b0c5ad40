"""Finding a tag by what one types of it: forgiving, for people; it suggests nothing by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from vocab.graph import Tag


def finder(tags: Iterable[Tag]) -> Callable[[str, int], list[Tag]]:
    """Return a search over ``tags``, given the most wanted first; nothing typed finds nothing.

    It finds the tag typed, then those that begin with it, hold it, or are spelt alike;
    ``kind:`` before the text asks for one kind alone.
    """
    from rapidfuzz import fuzz, process

    pool = list(tags)

    def find(typed: str, limit: int) -> list[Tag]:
        kind, colon, text = typed.strip().lower().partition(":")
        among: Sequence[Tag] = [tag for tag in pool if tag.kind.startswith(kind)] if colon else pool
        text = (text if colon else kind).strip()
        if not text:
            return list(among[:limit]) if colon else []
        found = _literal(among, text, limit)
        if len(found) < limit:
            names = [tag.tag for tag in among]
            close = process.extract(
                text, names, scorer=fuzz.ratio, limit=2 * limit, score_cutoff=60
            )
            found += [among[index] for _, _, index in close]
        return list(dict.fromkeys(found))[:limit]

    return find


def _literal(tags: Sequence[Tag], text: str, limit: int) -> list[Tag]:
    exact = [tag for tag in tags if tag.tag.lower() == text]
    starts = [tag for tag in tags if tag.tag.lower().startswith(text)]
    if len(exact) + len(starts) >= limit:
        return list(dict.fromkeys(exact + starts))
    return list(dict.fromkeys(exact + starts + [tag for tag in tags if text in tag.tag.lower()]))
