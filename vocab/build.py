"""From candidates and what people decided about them to a vocabulary."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from vocab.candidates import Candidate, Candidates
from vocab.decisions import Decision, Unresolved
from vocab.errors import InputError
from vocab.graph import Tag
from vocab.keys import key_of, tag_of
from vocab.vocabulary import BLOCKS, Entry, Vocabulary

Policy = Literal["keep", "drop", "fail"]


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
    """A vocabulary, the outcome of each candidate (by rank), decisions about other tags."""

    vocabulary: Vocabulary
    outcomes: tuple[Outcome, ...]
    ignored: tuple[Tag, ...] = ()

    def summary(self) -> list[str]:
        """Return lines for a person: the vocabulary, then how many candidates went which way."""
        acts = Counter(outcome.act for outcome in self.outcomes)
        reasons = Counter(o.why or o.how for o in self.outcomes if o.act == "drop")
        lines = [self.vocabulary.describe()]
        lines += [f"{act}: {acts[act]:,}" for act in ("keep", "merge", "retype", "rename")]
        drops = ", ".join(f"{why} {n:,}" for why, n in sorted(reasons.items()))
        lines.append(f"drop: {acts['drop']:,}" + (f" ({drops})" if drops else ""))
        if self.ignored:
            lines.append(
                f"ignored: {len(self.ignored):,} decisions about tags that are no candidates"
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
    are refused unless ``accept_other_candidates``. Classes stand by their members' best rank.

    A class with several members has the union of their images: between the largest and the sum,
    and not known from candidates. ``count_union`` may give it for the members' tags; else the
    largest stands, so that no class claims more than it has.

    :class:`InputError` names a decision that cannot be carried out, and its tags.
    """
    ranked = {row.key: row for row in candidates.rows}
    ignored = _foreign(candidates, decisions, accept=accept_other_candidates)
    outcomes = _outcomes(_fates(ranked, decisions, undecided=undecided, unresolved=unresolved))
    dropped = frozenset(outcome.tag for outcome in outcomes if outcome.into is None)
    entries = _entries(outcomes, ranked, count_union)
    made = {"candidates_sha256": candidates.sha256, "decisions": len(decisions)}
    made |= {"undecided": undecided, "unresolved": unresolved, **(provenance or {})}
    return Build(Vocabulary(entries, dropped, made), outcomes, ignored)


@dataclass(frozen=True, slots=True)
class _Fate:
    act: str
    to: str | None
    how: str
    why: str | None = None


def _foreign(
    candidates: Candidates, decisions: Mapping[Tag, Decision | Unresolved], *, accept: bool
) -> tuple[Tag, ...]:
    known = {row.key for row in candidates.rows}
    ignored = tuple(sorted(set(decisions) - known))
    if accept:
        return ignored
    for tag, decision in decisions.items():
        other = {e.cand for e in decision.events} - {None, candidates.sha256}
        if other:
            raise InputError(
                f"{key_of(tag)} was decided on candidates {sorted(map(str, other))[0][:12]}, these "
                f"are {candidates.sha256[:12]}; use those, or accept other candidates"
            )
    if ignored:
        raise InputError(
            f"{key_of(ignored[0])} was decided on but is no candidate ({len(ignored):,} such); use "
            "the candidates that were reviewed, or accept other candidates"
        )
    return ignored


def _fates(
    ranked: Mapping[Tag, Candidate],
    decisions: Mapping[Tag, Decision | Unresolved],
    *,
    undecided: Policy,
    unresolved: Policy,
) -> dict[Tag, _Fate]:
    policies = {"undecided": undecided, "unresolved": unresolved}
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
            raise InputError(
                f"{len(tags):,} candidates are {how}, the first is {key_of(tags[0])}; decide on "
                f"them, or choose to keep or drop what is {how}"
            )
    return fates


def _outcomes(fates: Mapping[Tag, _Fate]) -> tuple[Outcome, ...]:
    names = _names(fates)
    origins = {name: tag for tag, name in names.items()}
    return tuple(
        Outcome(tag, fate.act, names.get(_root(tag, fates, origins)), fate.how, fate.why)
        for tag, fate in fates.items()
    )


def _names(fates: Mapping[Tag, _Fate]) -> dict[Tag, Tag]:
    """Return the class that each candidate becomes that is neither dropped nor merged."""
    names: dict[Tag, Tag] = {}
    owners: dict[Tag, Tag] = {}
    for tag, fate in fates.items():
        if fate.act in ("drop", "merge"):
            continue
        name = _renamed(tag, fate)
        if name != tag and name in fates:
            raise InputError(
                f"{fate.act} of {key_of(tag)} to {key_of(name)}: that is a candidate itself; keep "
                f"it and merge {key_of(tag)} into it"
            )
        if name in owners:
            raise InputError(
                f"{key_of(owners[name])} and {key_of(tag)} would both become {key_of(name)}; "
                "merge one into the other"
            )
        owners[name] = tag
        names[tag] = name
    return names


def _renamed(tag: Tag, fate: _Fate) -> Tag:
    if fate.act == "retype":
        return Tag(str(fate.to), tag.tag)
    return Tag(tag.kind, str(fate.to)) if fate.act == "rename" else tag


def _root(tag: Tag, fates: Mapping[Tag, _Fate], origins: Mapping[Tag, Tag]) -> Tag:
    """Return the candidate at the end of a chain of merges; a target may be a new name too."""
    trail = {tag: key_of(tag)}
    while fates[tag].act == "merge":
        target = tag_of(str(fates[tag].to))
        target = origins.get(target, target)
        if target not in fates:
            raise InputError(
                f"{key_of(tag)} is merged into {key_of(target)}, which is no candidate; merge it "
                "into one, or rename it"
            )
        if target in trail:
            path = " -> ".join([*trail.values(), key_of(target)])
            raise InputError(f"merges run in a circle: {path}; keep one of them")
        trail[target] = key_of(target)
        if fates[target].act == "drop":
            raise InputError(
                f"{key_of(tag)} is merged into {key_of(target)}, which is dropped "
                f"({fates[target].how}); keep the one or drop the other"
            )
        tag = target
    return tag


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
        raise InputError("the decisions keep no candidate, so there is no vocabulary to build")
    entries = []
    for name, tags in members.items():
        images = max(ranked[tag].images for tag in tags)
        if count_union and len(tags) > 1:
            images = count_union(tags)
        entries.append(Entry(name, images, tuple(sorted(tag for tag in tags if tag != name))))
    return tuple(sorted(entries, key=lambda entry: BLOCKS[entry.tag.kind]))
