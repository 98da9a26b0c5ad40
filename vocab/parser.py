"""Captions in, scene graphs out: cleaning, the spaCy model and the rules, in batches."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from importlib.metadata import version
from importlib.resources import files
from itertools import islice
from typing import TYPE_CHECKING, Final, Literal, Protocol

from vocab.clean import clean_caption
from vocab.graph import SceneGraph
from vocab.model import MODEL, DocReader, load_model, working_memory
from vocab.rules import build_sentence, graph_of

if TYPE_CHECKING:
    from spacy.tokens import Doc

_RULES: Final = (
    "clean",
    "entities",
    "lemma",
    "lexicons",
    "model",
    "multiwords",
    "relations",
    "repair",
    "rules",
    "sentence",
)


class CaptionParser(Protocol):
    """Turns raw captions into scene graphs."""

    name: str
    version: str

    def parse(self, captions: Iterable[str]) -> Iterator[SceneGraph]:
        """Yield one graph for each caption, in the captions' order, reading them as it goes."""
        ...


def load_parser(name: Literal["rules", "sng"] = "rules", *, batch_size: int = 512) -> CaptionParser:
    """Load a parser: our ``rules``, or SceneGraphParser's (``sng``), which the paper used."""
    if name == "sng":
        from vocab.sng import SngParser

        return SngParser(version=parser_version(name), batch_size=batch_size)
    return RulesParser(batch_size=batch_size)


def parser_version(name: Literal["rules", "sng"]) -> str:
    """Return what decides a parser's output, without loading its model."""
    parser = f"sng-{version('SceneGraphParser')}" if name == "sng" else f"rules-{_fingerprint()}"
    return f"{parser}/{MODEL}-{version(MODEL)}"


class RulesParser:
    """The default parser: rules over spaCy's dependency trees."""

    name = "rules"

    def __init__(self, *, batch_size: int = 512) -> None:
        self._batch_size = batch_size
        self._nlp = load_model()
        self._reader = DocReader(self._nlp)
        self.version = parser_version("rules")

    def parse(self, captions: Iterable[str]) -> Iterator[SceneGraph]:
        """Yield one graph for each caption, in the captions' order, reading them as it goes."""
        source = iter(captions)
        while batch := [clean_caption(text) for text in islice(source, self._batch_size)]:
            with working_memory(self._nlp):
                graphs = [self._graph(doc) for doc in self._nlp.pipe(batch, batch_size=len(batch))]
            yield from graphs

    def _graph(self, doc: Doc) -> SceneGraph:
        return graph_of(build_sentence(*self._reader.read(doc)))


def _fingerprint() -> str:
    """Return a digest of the rules' own text, so that no change of theirs goes unnoticed."""
    digest = hashlib.sha256()
    lexicon = sorted((files("vocab") / "lexicon").iterdir(), key=lambda entry: entry.name)
    for entry in [*(files("vocab") / f"{name}.py" for name in _RULES), *lexicon]:
        digest.update(entry.read_bytes())
    return digest.hexdigest()[:8]
