"""`vocab report`: one self-contained HTML page on a review, for people who did not sit in it.

The same project, logs and lists give the same bytes: times on the page are those of the log.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from vocab import report_people, report_tags
from vocab.candidates import Candidates, read_candidates
from vocab.decisions import Event, Problem, State, effective, read_log, replay, resolve
from vocab.examples import CoverageRow
from vocab.figures import (
    Fate,
    annotators,
    class_of,
    coverage_of_captions,
    coverage_of_counts,
    fates,
    first_votes,
)
from vocab.files import write_whole
from vocab.graph import Tag
from vocab.inconsistent import inconsistencies, other_kinds
from vocab.overlap import Classes, ClassList, Synonyms
from vocab.page import document, text
from vocab.prequential import prequential
from vocab.project import Project
from vocab.report_style import STYLE
from vocab.wordnet import MISSING, Senses


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """What the page is about: a project, its log as it stands, and what it is compared with.

    ``captions`` are a sample of them by their tags (``None``: coverage is estimated from counts).
    """

    project: Project
    candidates: Candidates
    fates: tuple[Fate, ...]
    standing: tuple[Event, ...]
    state: State
    problems: tuple[Problem, ...] = ()
    senses: Senses | None = None
    synonyms: Synonyms | None = None
    captions: tuple[CoverageRow, ...] | None = None
    lists: tuple[ClassList, ...] = ()

    def with_captions(self, captions: Iterable[CoverageRow]) -> Review:
        """Return the review with a sample of captions."""
        return replace(self, captions=tuple(captions))


class Section(NamedTuple):
    """A part of the page: its anchor, its heading, markup."""

    anchor: str
    title: str
    body: str


def read_review(
    project: Project,
    *,
    senses: Senses | None = None,
    lists: Iterable[ClassList] = (),
) -> Review:
    """Return the project's review as its logs stand; bad lines are kept apart, never fatal."""
    candidates = read_candidates(project.candidates)
    events, problems = read_log(project.logs)
    state = replay(events)
    return Review(
        project=project,
        candidates=candidates,
        fates=fates(candidates, resolve(state)),
        standing=tuple(effective(events)),
        state=state,
        problems=tuple(problems),
        senses=senses,
        synonyms=_first_sense(senses) if senses else None,
        lists=tuple(lists),
    )


def _first_sense(senses: Senses) -> Synonyms:
    """Return the other words of a tag's most frequent sense: rarer ones mislead ("mountain")."""
    return lru_cache(maxsize=None)(lambda tag: senses.synonyms(tag, 1))


def write_report(path: Path, review: Review) -> None:
    """Write the page, whole or not at all."""
    write_whole(path, render(review))


def render(review: Review) -> str:
    """Return the page."""
    sections = [
        _summary(review),
        _frequency(review),
        _coverage(review),
        _overlap(review),
        _people(review),
        _agreement(review),
        _learner(review),
        _inconsistent(review),
        _lists(review),
        _log(review),
    ]
    links = "".join(f'<li><a href="#{s.anchor}">{text(s.title)}</a>' for s in sections)
    body = "".join(map(_section, sections))
    page = f"""<header>
<h1>Review of the vocabulary</h1>
<p class="note">{text(_lead(review))}</p>
</header>
<div class="columns">
<nav aria-label="Contents"><ul>{links}</ul></nav>
<main>{body}</main>
</div>
<footer>Made by <code>tag2text vocab report</code> from the candidates
<code>{review.candidates.sha256[:12]}</code> and the decision logs beside them. A (kind, tag) is
written kind:tag. Images and captions are the weighted counts of the candidates.</footer>"""
    return document(title="Review of the vocabulary", style=STYLE, body=page)


def _section(section: Section) -> str:
    return (
        f'<section id="{section.anchor}"><h2>{text(section.title)}</h2>{section.body}</section>\n'
    )


def _note(words: str) -> str:
    return f'<p class="note">{text(words)}</p>'


def _charts(body: str) -> str:
    return f'<div class="charts">{body}</div>'


def _lead(review: Review) -> str:
    names = sorted({event.by for event in review.standing})
    if not names:
        return f"{len(review.fates):,} candidates; nobody has decided yet."
    last = report_people.moment(review.standing[-1].ts)
    who = f"{len(names)} annotators" if len(names) > 1 else "1 annotator"
    return f"{len(review.fates):,} candidates, {who}, as of {last} UTC."


def _summary(review: Review) -> Section:
    return Section("summary", "Summary", report_tags.headline(review.fates, review.project.target))


def _frequency(review: Review) -> Section:
    first = report_tags.kinds(review.fates, review.project.reasons)
    body = _charts(report_tags.frequency(review.fates) + first)
    return Section("frequency", "Frequency, kinds and reasons", body)


def _coverage(review: Review) -> Section:
    rows = review.candidates.rows
    classes = [fate.row for fate in review.fates if fate.is_class]
    if review.captions is None:
        total = sum(row.captions for row in rows)
        kept, most = coverage_of_counts(classes, total), coverage_of_counts(rows, total)
        source = (
            "Estimated from the candidates' caption counts: a share of the mentions of all "
            "candidates, without the images that merged tags bring. Give --mined for the coverage "
            "of real captions."
        )
    else:
        kept = coverage_of_captions(review.captions, _places(review.fates))
        most = coverage_of_captions(review.captions, {row.key: row.rank for row in rows})
        source = (
            f"Of a sample of {len(review.captions):,} captions: a mention is one tag of one "
            "caption, of a candidate or not; a merged tag counts for its class."
        )
    body = report_tags.covered(kept) + _charts(report_tags.coverage(kept, most, source=source))
    return Section("coverage", "Coverage of captions", body)


def _places(all_fates: Sequence[Fate]) -> dict[Tag, int]:
    """Return the place of each meaningful tag's class among the classes, by rank, from 1."""
    by_tag = {fate.row.key: fate for fate in all_fates}
    order: dict[Tag, int] = {}
    for fate in all_fates:
        if fate.is_class:
            order.setdefault(fate.name, len(order) + 1)
    classes = ((tag, class_of(by_tag, tag)) for tag in by_tag)
    return {tag: order[name] for tag, name in classes if name in order}


def _overlap(review: Review) -> Section:
    title = "Overlap with class lists"
    if not review.lists:
        words = "No list was given: name them with --class-list NAME=PATH, or a directory of them."
        return Section("overlap", title, _note(words))
    mine, ceiling = _classes(review), _candidates(review)
    rows = [(mine.overlap(listed), ceiling.overlap(listed)) for listed in review.lists]
    rows.sort(key=lambda row: -max(o.count() / o.names for o in row[0].values()))
    words = (
        "A name counts once, at the first level that fits. Exact: it is a class. Lemma: it is one "
        "after inflection, hyphens and a verb's preposition are set aside. Synonym: by another "
        "name on its line, by a tag merged into a class, or by a frequent WordNet sense. Against: "
        "the kinds that cover most of the list. At most: what all candidates together would cover. "
        "Of lists of pairs and sentences (ride a horse) only tags of several words are names."
    )
    if review.senses is None:
        words += f" Without WordNet senses ({MISSING})."
    return Section("overlap", title, _note(words) + report_tags.overlaps(rows))


def _classes(review: Review) -> Classes:
    by_tag = {fate.row.key: fate for fate in review.fates}
    classes = {fate.name for fate in review.fates if fate.is_class}
    meant = {tag: class_of(by_tag, tag) for tag in by_tag}
    aliases = {tag: name for tag, name in meant.items() if name and name != tag}
    return Classes(classes, aliases=aliases, synonyms=review.synonyms)


def _candidates(review: Review) -> Classes:
    return Classes([row.key for row in review.candidates.rows], synonyms=review.synonyms)


def _people(review: Review) -> Section:
    title = "Annotators"
    found = annotators(review.standing)
    if not found:
        return Section("annotators", title, _note("Nobody has decided yet."))
    table = report_people.people(found, len(review.state.rulings))
    drawn = report_people.progress(found) + report_people.times(found)
    return Section("annotators", title, table + _charts(drawn))


def _agreement(review: Review) -> Section:
    words = (
        "Over the tags that two or more decided on. Raw: votes on the same side, keep (in any way) "
        "or drop; exact: on the very same decision. Alpha misleads where nearly all is kept, AC1 "
        "does not."
    )
    body = _note(words) + report_people.agreement(review.state.votes)
    return Section("agreement", "Agreement", body)


def _learner(review: Review) -> Section:
    title = "How well the keep-model predicted"
    known = {row.key for row in review.candidates.rows}
    votes = [event for event in first_votes(review.standing) if event.tag in known]
    if not votes:
        return Section("learner", title, _note("Nothing to predict yet."))
    decided = [(event.tag, event.act != "drop") for event in votes]
    replayed = prequential(review.candidates, decided, senses=review.senses)
    words = (
        "Each decision was predicted before it was made, from those before it; the first vote on "
        "a tag counts. Suggestions order the queue and decide nothing."
    )
    body = _note(words) + report_people.learner(report_people.as_shown(votes), replayed)
    return Section("learner", title, body)


def _inconsistent(review: Review) -> Section:
    found = inconsistencies(review.fates, review.synonyms)
    words = "Forms or synonyms of one word on different sides; the dropped with most images first."
    if review.senses is None:
        words += f" Synonyms are not looked for: {MISSING}."
    kinds = (
        "<h3>One word, kept in one kind and dropped in another</h3>"
        + _note("Often right: the brush, and to brush.")
        + report_tags.pairs(other_kinds(review.fates), reasons=False)
    )
    return Section(
        "inconsistent", "Inconsistencies", _note(words) + report_tags.pairs(found) + kinds
    )


def _lists(review: Review) -> Section:
    body = _charts(report_tags.extremes(review.fates))
    merges = "<h3>Merges</h3>" + report_tags.merges(review.fates)
    return Section("second-look", "Worth a second look", body + merges)


def _log(review: Review) -> Section:
    words = "Lines of the logs that are no events; they were left out."
    body = _note(words) + report_people.bad_lines(review.problems)
    return Section("log", "Bad lines of the log", body)
