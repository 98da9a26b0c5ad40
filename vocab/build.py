"""From candidates and what people decided about them to a vocabulary."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from vocab.candidates import Candidate, Candidates
from vocab.decisions import Decision, Unresolved
from vocab.errors import InputError
from vocab.graph import Tag
from vocab.keys import key_of, tag_of
from vocab.project import Policy
from vocab.vocabulary import BLOCKS, Entry, Vocabulary
from vocab.wording import counted

NOTHING_KEPT: Final = "the decisions keep no candidate, so there is no vocabulary to build"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a candidate.

    ``act`` is ``keep``, ``drop``, ``merge``, ``retype`` or ``rename``; ``into`` the class that it
    became or joined (``None`` when dropped); ``how`` it came about: ``adjudicated``,
    ``unanimous``, ``majority``, ``undecided`` or ``unresolved``; ``why`` the reason given.
    """

    tag: Tag
    act: str
    into: Tag | None
    how: str
    why: str | None = None


@dataclass(frozen=True, slots=True)
class Build:
    """A vocabulary, the outcome of each candidate (by rank), tags whose decisions do not fit."""

    vocabulary: Vocabulary
    outcomes: tuple[Outcome, ...]
    ignored: tuple[Tag, ...] = ()

    def merged(self) -> list[frozenset[Tag]]:
        """Return the candidates of each class that has several."""
        members: dict[Tag, set[Tag]] = defaultdict(set)
        for outcome in self.outcomes:
            if outcome.into is not None:
                members[outcome.into].add(outcome.tag)
        return [frozenset(tags) for tags in members.values() if len(tags) > 1]

    def summary(self) -> list[str]:
        """Return lines for a person: the vocabulary, then how many candidates went which way."""
        acts = Counter(outcome.act for outcome in self.outcomes)
        reasons = Counter(o.why or o.how for o in self.outcomes if o.act == "drop")
        lines = [self.vocabulary.describe()]
        ways = [f"{acts[act]:,} {act}" for act in ("keep", "merge", "retype", "rename", "drop")]
        drops = ", ".join(f"{why} {n:,}" for why, n in sorted(reasons.items()))
        lines.append(f"candidates: {', '.join(ways)}" + (f" ({drops})" if drops else ""))
        if self.ignored:
            lines.append(
                f"ignored: {len(self.ignored):,} decisions that do not fit these candidates"
            )
        return lines


def build(
    candidates: Candidates,
    decisions: Mapping[Tag, Decision | Unresolved],
    *,
    undecided: Policy = "keep",
    unresolved: Policy = "fail",
    accept_other_candidates: bool = False,
    count_union: Callable[[Sequence[Tag]], int] | None = None,
    provenance: Mapping[str, Any] | None = None,
) -> Build:
    """Return the vocabulary that the decisions make of the candidates; without any, all stay.

    ``undecided`` says what becomes of candidates nobody decided on, ``unresolved`` of those on
    which annotators disagree. Decisions on another candidates file, or about tags that it lacks,
    are refused unless ``accept_other_candidates``; then those that do not fit these candidates,
    merges into a tag that is none of them and names that one of them has, count as not made.
    Classes stand by their members' best rank.

    A class with several members has the union of their images: between the largest and the sum,
    and not known from candidates. ``count_union`` may give it for the members' tags; else the
    largest stands, so that no class claims more than it has.

    :class:`InputError` names a decision that cannot be carried out, and its tags;
    :func:`find_problems` lists all.
    """
    ranked = {row.key: row for row in candidates.rows}
    policies = {"undecided": undecided, "unresolved": unresolved}
    foreign: list[str] = []
    found: list[str] = []
    ignored = _foreign(candidates, decisions, foreign)
    if accept_other_candidates:
        unfit = _unfit(ranked, decisions)
        decisions = {tag: made for tag, made in decisions.items() if tag not in unfit}
        ignored = tuple(sorted({*ignored, *unfit}))
    outcomes = _outcomes(_fates(ranked, decisions, policies, found), found)
    _refuse(found if accept_other_candidates else foreign + found)
    dropped = frozenset(outcome.tag for outcome in outcomes if outcome.into is None)
    entries = _entries(outcomes, ranked, count_union)
    made = {"candidates_sha256": candidates.sha256, "decisions": len(decisions)}
    made |= {"undecided": undecided, "unresolved": unresolved, **(provenance or {})}
    return Build(Vocabulary(entries, dropped, made), outcomes, ignored)


def find_problems(
    candidates: Candidates,
    decisions: Mapping[Tag, Decision | Unresolved],
    *,
    undecided: Policy = "keep",
    unresolved: Policy = "fail",
) -> list[str]:
    """Return all that keeps :func:`build` from building, a line each; none when it would build."""
    ranked = {row.key: row for row in candidates.rows}
    policies = {"undecided": undecided, "unresolved": unresolved}
    found: list[str] = []
    _foreign(candidates, decisions, found)
    outcomes = _outcomes(_fates(ranked, decisions, policies, found), found)
    if not found and all(outcome.into is None for outcome in outcomes):
        found.append(NOTHING_KEPT)
    return list(dict.fromkeys(found))


def _refuse(found: list[str]) -> None:
    if found:
        more = len(set(found)) - 1
        rest = f" ({more:,} more; tag2text vocab check lists all)" if more else ""
        raise InputError(found[0] + rest)


@dataclass(frozen=True, slots=True)
class _Fate:
    act: str
    to: str | None
    how: str
    why: str | None = None


def _foreign(
    candidates: Candidates, decisions: Mapping[Tag, Decision | Unresolved], found: list[str]
) -> tuple[Tag, ...]:
    known = {row.key for row in candidates.rows}
    ignored = tuple(sorted(set(decisions) - known))
    others: dict[str, list[Tag]] = defaultdict(list)
    for tag, decision in decisions.items():
        for other in {e.cand for e in decision.events} - {None, candidates.sha256}:
            others[str(other)].append(tag)
    for sha256, tags in sorted(others.items()):
        found.append(
            f"{key_of(tags[0])} was decided on candidates {sha256[:12]}, these are "
            f"{candidates.sha256[:12]} ({len(tags):,} such); use those, or accept other candidates"
        )
    if ignored:
        found.append(
            f"{key_of(ignored[0])} was decided on but is no candidate ({len(ignored):,} such); use "
            "the candidates that were reviewed, or accept other candidates"
        )
    return ignored


def _unfit(
    ranked: Mapping[Tag, Candidate], decisions: Mapping[Tag, Decision | Unresolved]
) -> frozenset[Tag]:
    """Return the candidates whose decision was about another table's tags."""
    made = {
        tag: decision
        for tag, decision in decisions.items()
        if tag in ranked and isinstance(decision, Decision)
    }
    names = {tag: _renamed(tag, _Fate(one.act, one.to, one.how)) for tag, one in made.items()}
    taken = {tag for tag, name in names.items() if name != tag and name in ranked}
    known = ranked.keys() | {name for tag, name in names.items() if tag not in taken}
    lost = {
        tag for tag, one in made.items() if one.act == "merge" and tag_of(str(one.to)) not in known
    }
    return frozenset(taken | lost)


def _fates(
    ranked: Mapping[Tag, Candidate],
    decisions: Mapping[Tag, Decision | Unresolved],
    policies: Mapping[str, Policy],
    found: list[str],
) -> dict[Tag, _Fate]:
    fates = {}
    stuck = defaultdict(list)
    for tag in ranked:
        decision = decisions.get(tag)
        if isinstance(decision, Decision):
            fates[tag] = _Fate(decision.act, decision.to, decision.how, decision.why)
            continue
        how = "undecided" if decision is None else "unresolved"
        fates[tag] = _Fate(policies[how], None, how)
        stuck[how].append(tag)
    for how, tags in stuck.items():
        if policies[how] == "fail":
            found.append(
                f"{counted(len(tags), 'candidate')} {how}, the first is {key_of(tags[0])}; "
                f"decide on them, or build with --{how} keep (or drop)"
            )
    return fates


def _outcomes(fates: Mapping[Tag, _Fate], found: list[str]) -> tuple[Outcome, ...]:
    names = _names(fates, found)
    origins = {name: tag for tag, name in names.items()}
    return tuple(
        Outcome(tag, fate.act, names.get(_root(tag, fates, origins, found)), fate.how, fate.why)
        for tag, fate in fates.items()
    )


def _names(fates: Mapping[Tag, _Fate], found: list[str]) -> dict[Tag, Tag]:
    """Return the class that each candidate becomes that is neither dropped nor merged."""
    names: dict[Tag, Tag] = {}
    owners: dict[Tag, Tag] = {}
    for tag, fate in fates.items():
        if fate.act in ("drop", "merge"):
            continue
        name = _renamed(tag, fate)
        if name != tag and name in fates:
            found.append(
                f"{fate.act} of {key_of(tag)} to {key_of(name)}: that is a candidate itself; keep "
                f"it and merge {key_of(tag)} into it"
            )
        elif name in owners:
            found.append(
                f"{key_of(owners[name])} and {key_of(tag)} would both become {key_of(name)}; "
                "merge one into the other"
            )
        else:
            owners[name] = tag
            names[tag] = name
    return names


def _renamed(tag: Tag, fate: _Fate) -> Tag:
    if fate.act == "retype":
        return Tag(str(fate.to), tag.tag)
    return Tag(tag.kind, str(fate.to)) if fate.act == "rename" else tag


def _root(
    tag: Tag, fates: Mapping[Tag, _Fate], origins: Mapping[Tag, Tag], found: list[str]
) -> Tag:
    """Return the candidate at the end of a chain of merges; a target may be a new name too.

    A chain that ends nowhere is told once: by the link that is wrong, or by the circle's first.
    """
    trail = [tag]
    while fates[tag].act == "merge":
        target = tag_of(str(fates[tag].to))
        target = origins.get(target, target)
        if problem := _broken(tag, target, trail, fates):
            if problem not in found:
                found.append(problem)
            break
        trail.append(target)
        tag = target
    return tag


def _broken(tag: Tag, target: Tag, trail: Sequence[Tag], fates: Mapping[Tag, _Fate]) -> str | None:
    """Return what is wrong with the merge of ``tag``, which ``trail`` leads to, if anything is."""
    if target not in fates:
        return (
            f"{key_of(tag)} is merged into {key_of(target)}, which is no candidate; merge it "
            "into one, or rename it"
        )
    if target in trail:
        circle = trail[trail.index(target) :]
        start = circle.index(min(circle))
        path = [*circle[start:], *circle[: start + 1]]
        return f"merges run in a circle: {' -> '.join(map(key_of, path))}; keep one of them"
    if fates[target].act == "drop":
        return (
            f"{key_of(tag)} is merged into {key_of(target)}, which is dropped "
            f"({fates[target].how}); keep the one or drop the other"
        )
    return None


def _entries(
    outcomes: Sequence[Outcome],
    ranked: Mapping[Tag, Candidate],
    count_union: Callable[[Sequence[Tag]], int] | None,
) -> tuple[Entry, ...]:
    members: dict[Tag, list[Tag]] = defaultdict(list)
    for outcome in outcomes:
        if outcome.into is not None:
            members[outcome.into].append(outcome.tag)
    if not members:
        raise InputError(NOTHING_KEPT)
    entries = []
    for name, tags in members.items():
        images = max(ranked[tag].images for tag in tags)
        if count_union and len(tags) > 1:
            images = count_union(tags)
        entries.append(Entry(name, images, tuple(sorted(tag for tag in tags if tag != name))))
    return tuple(sorted(entries, key=lambda entry: BLOCKS[entry.tag.kind]))
