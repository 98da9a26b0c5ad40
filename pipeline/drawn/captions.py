"""What people might write under a synthetic scene: several captions in several phrasings."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Final, NamedTuple

from pipeline.drawn.scenes import ANIMALS, GARMENTS, OUTDOORS, PEOPLE, Scene, Thing, chance


class Verb(NamedTuple):
    """The forms of a verb: runs, running, is kicked."""

    third: str
    participle: str
    passive: str = ""


VERBS: Final[dict[str, Verb]] = {
    "run": Verb("runs", "running"),
    "jump": Verb("jumps", "jumping"),
    "sit": Verb("sits", "sitting"),
    "sit on": Verb("sits on", "sitting on"),
    "sleep": Verb("sleeps", "sleeping"),
    "swim": Verb("swims", "swimming"),
    "sail": Verb("sails", "sailing"),
    "eat": Verb("eats", "eating", "eaten"),
    "hold": Verb("holds", "holding", "held"),
    "ride": Verb("rides", "riding", "ridden"),
    "kick": Verb("kicks", "kicking", "kicked"),
    "wear": Verb("wears", "wearing", "worn"),
    "drive": Verb("drives", "driving"),
    "park": Verb("parks", "parked"),
    "stand": Verb("stands", "standing"),
    "fly": Verb("flies", "flying"),
    "float": Verb("floats", "floating"),
    "shine": Verb("shines", "shining"),
    "hang": Verb("hangs", "hanging"),
}
PLURALS: Final = {
    "man": "men",
    "woman": "women",
    "bus": "buses",
    "sheep": "sheep",
    "shirt": "shirts",
    "dress": "dresses",
}
NUMBERS: Final = ("", "two", "three")
PLACES: Final[dict[str, tuple[str, ...]]] = {
    "beach": ("on the beach", "at the beach", "on a beach"),
    "field": ("in the field", "in a field"),
    "forest": ("in the forest", "in a forest"),
    "street": ("on the street", "in the street", "on a street"),
    "mountain": ("on the mountain", "on a mountain", "in the mountains"),
    "lake": ("at the lake", "by the lake", "near a lake"),
    "kitchen": ("in the kitchen", "in a kitchen"),
    "bedroom": ("in the bedroom", "in a bedroom"),
}
AFLOAT: Final = {
    ("swim", "lake"): ("in the lake", "in a lake"),
    ("sail", "lake"): ("on the lake", "on a lake"),
    ("swim", "beach"): ("at the beach", "near the beach"),
    ("sail", "beach"): ("at the beach", "near the beach"),
}
ABOVE: Final = (("above", "over"), ("above",))  # "fly over" is another action
IN_FRONT: Final = frozenset(  # so is "sit in": the place opens the caption
    f"{verb} {link}" for verb in ("sit", "stand") for link in ("at", "in", "on")
)


def captions(scene: Scene) -> tuple[str, ...]:
    """Return two to five different captions that together say all that is in the picture."""
    rng = chance(scene.seed, "captions", scene.index)
    where = PLACES[scene.place]
    said = [_sentence(thing, _where(thing, scene.place, rng), rng) for thing in scene.things]
    said.append(_short(scene.things[0], _where(scene.things[0], scene.place, rng)))
    if len(scene.things) > 1:
        one, two = rng.sample(scene.things, 2)
        link = rng.choice(_links(one, two, scene.place))
        said.append(f"{_noun_phrase(one)} {link} {_noun_phrase(two)} {rng.choice(where)}")
    return tuple(dict.fromkeys(_styled(text, rng) for text in said))


def _where(thing: Thing, place: str, rng: random.Random) -> str:
    """Return where the thing is: birds are above the lake, boats on it, swimmers in it."""
    if thing.y < 50 and place in OUTDOORS:
        return f"{rng.choice(ABOVE[thing.doing == 'fly'])} the {place}"
    return rng.choice(AFLOAT.get((thing.doing, place), PLACES[place]))


def _plural(noun: str) -> str:
    return PLURALS.get(noun, noun + "s")


def _article(phrase: str) -> str:
    return ("an " if phrase[0] in "aeiou" else "a ") + phrase


def _noun_phrase(thing: Thing, *, article: str = "") -> str:
    """Return "two brown dogs", "a man in a red shirt", "grass"; ``article`` replaces "a"."""
    if thing.kind == "grass":
        return "grass"
    garment = GARMENTS.get(thing.kind)
    colour = "" if garment else thing.colour
    noun = thing.kind if thing.count == 1 else _plural(thing.kind)
    words = " ".join(w for w in (NUMBERS[thing.count - 1], thing.size, colour, noun) if w)
    if article:
        words = f"{article} {words}"
    elif thing.count == 1:
        words = f"the {words}" if thing.kind == "sun" else _article(words)
    return words + _dressed(thing, garment) if garment and thing.colour else words


def _dressed(thing: Thing, garment: str) -> str:
    if thing.count > 1:
        return f" in {thing.colour} {_plural(garment)}"
    return " in " + _article(f"{thing.colour} {garment}")


def _is(thing: Thing) -> str:
    return "is" if thing.count == 1 else "are"


def _tail(thing: Thing) -> str:
    """Return what follows the verb: " a blue bicycle", " on a sofa"."""
    if thing.other is None:
        return ""
    link = "on " if thing.doing == "sleep" else ""
    return f" {link}{_noun_phrase(thing.other)}"


def _plain(thing: Thing, where: str) -> str:
    verb = VERBS[thing.doing].third if thing.count == 1 else thing.doing
    return f"{_noun_phrase(thing)} {verb}{_tail(thing)} {where}"


def _progressive(thing: Thing, where: str) -> str:
    doing = VERBS[thing.doing].participle
    return f"{_noun_phrase(thing)} {_is(thing)} {doing}{_tail(thing)} {where}"


def _there_is(thing: Thing, where: str) -> str:
    doing = VERBS[thing.doing].participle
    return f"there {_is(thing)} {_noun_phrase(thing)} {doing}{_tail(thing)} {where}"


def _participial(thing: Thing, where: str) -> str:
    return f"{_noun_phrase(thing)} {VERBS[thing.doing].participle}{_tail(thing)} {where}"


def _relative(thing: Thing, where: str) -> str:
    who = "who" if thing.kind in GARMENTS else "that"
    doing = VERBS[thing.doing].participle
    return f"{_noun_phrase(thing)} {who} {_is(thing)} {doing}{_tail(thing)} {where}"


def _predicative(thing: Thing, where: str) -> str:
    """Return "the dog is brown and is running on the beach"."""
    plain = replace(thing, colour="")
    return (
        f"{_noun_phrase(plain, article='the')} {_is(thing)} {thing.colour} "
        f"and {_is(thing)} {VERBS[thing.doing].participle}{_tail(thing)} {where}"
    )


def _passive(thing: Thing, where: str) -> str:
    """Return "a blue bicycle is ridden by a man in a red shirt"."""
    other, verb = thing.other or thing, VERBS[thing.doing]
    return f"{_noun_phrase(other)} is {verb.passive} by {_noun_phrase(thing)} {where}"


Phrasing = Callable[[Thing, str], str]
_DOING: Final[tuple[Phrasing, ...]] = (_progressive, _there_is, _participial, _relative)


def _phrasings(thing: Thing) -> list[Phrasing]:
    """Return the phrasings that are natural for the thing."""
    if not thing.doing:
        return [_still, _there_stands] if thing.other else [_still_is, _still, _there_stands]
    chosen = [p for p in _DOING if not (p is _there_is and thing.kind == "sun")]
    if thing.kind in (*PEOPLE, *ANIMALS) and thing.doing != "stand":
        chosen.append(_plain)  # small taggers take "bus drives" or "horse stands" for two nouns
    if VERBS[thing.doing].passive and thing.count == 1:
        chosen.append(_passive)
    if thing.colour and thing.kind not in GARMENTS:
        chosen.append(_predicative)
    return chosen


def _still(thing: Thing, where: str) -> str:
    return f"{_top(thing)} {where}"


def _there_stands(thing: Thing, where: str) -> str:
    return f"there {_is(thing)} {_top(thing)} {where}"


def _still_is(thing: Thing, where: str) -> str:
    plain = replace(thing, colour="")
    return f"{_noun_phrase(plain, article='the')} {where} {_is(thing)} {thing.colour}"


def _top(thing: Thing) -> str:
    """Return "a cake on a brown table": the thing on top is named first."""
    if thing.other is None:
        return _noun_phrase(thing)
    return f"{_noun_phrase(thing.other)} on {_noun_phrase(thing)}"


def _sentence(thing: Thing, where: str, rng: random.Random) -> str:
    """Return a caption that says all there is to say of the thing."""
    return _located(rng.choice(_phrasings(thing)), thing, where)


def _located(phrasing: Phrasing, thing: Thing, where: str) -> str:
    """Return the phrase with the place where it belongs, at the end or in front."""
    if f"{thing.doing} {where.split(maxsplit=1)[0]}" in IN_FRONT:
        clause = _progressive if phrasing in (_participial, _relative) else phrasing
        return f"{where}, {clause(thing, '').strip()}"
    return phrasing(thing, where)


def _short(thing: Thing, where: str) -> str:
    """Return a caption that leaves the colours out."""
    other = replace(thing.other, colour="") if thing.other else None
    return _located(_participial, replace(thing, colour="", size="", other=other), where)


def _links(one: Thing, two: Thing, place: str) -> tuple[str, ...]:
    """Return the words that may stand between two things."""
    if one.y > 50 and two.y > 50:
        return ("and", "next to", "near")
    under_it = two.y < 50 < one.y and place in OUTDOORS
    return ("and", "under", "below") if under_it else ("and",)


def _styled(text: str, rng: random.Random) -> str:
    """Return the caption as different people type: lower case, Sentence case, Title Case."""
    style = rng.choice(("lower", "sentence", "sentence", "period", "title"))
    if style == "lower":
        return text
    if style == "title":
        return " ".join(word[0].upper() + word[1:] for word in text.split())
    return text[0].upper() + text[1:] + ("." if style == "period" else "")
