"""Tag2Text as users call it: pictures in, tags, captions, answers and similarities out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Final, NamedTuple

import torch
from PIL import Image
from torch import Tensor

from model.alignment import AlignmentEncoder, pair_logits
from model.answering import best_answers, encode_questions, generate_answers
from model.card import card
from model.checkpoint import check_shapes, load_weights, read_fingerprint, save_weights
from model.config import ModelConfig, from_json
from model.generation import Caption, generate
from model.guidance import Guide, rows_of_tags
from model.heatmap import attention_maps, to_grid
from model.network import Network
from model.preprocess import Picture, normalise, to_pixels
from model.recognition import TagScore, choose, label_ids, thresholds
from model.tagging import TaggingHead
from model.tokenizer import Tokenizer, load_tokenizer
from model.transfer import with_classes
from vocab.errors import InputError
from vocab.files import read_lines, write_whole
from vocab.graph import Tag
from vocab.vocabulary import Vocabulary

BATCH: Final = 16  # images worked on at once
TEXTS: Final = 64  # texts encoded at once
WEIGHTS: Final = "model.safetensors"
CONFIG: Final = "config.json"
CARD: Final = "README.md"

Features = Tensor  # image tokens (batch, tokens, image width) of a batch


class Description(NamedTuple):
    """A caption or an answer, its score (log-probability), the tags that guided it."""

    text: str
    score: float
    tags: tuple[str, ...]


class Match(NamedTuple):
    """How images and texts belong together, each (images, texts): cosines, and probabilities."""

    similarity: Tensor
    probability: Tensor


class Tag2Text:
    """A network with the vocabulary and the tokenizer that give its numbers a meaning.

    Pictures are paths, Pillow images or uint8 tensors (3, height, width); one that cannot be used
    raises :class:`~model.preprocess.ImageError`. All calls work in batches, without gradients, on
    the device where the weights are (:meth:`to`).
    """

    def __init__(self, network: Network, vocabulary: Vocabulary, tokenizer: Tokenizer) -> None:
        classes, words = len(network.tagging.bias), network.config.words
        if classes != len(vocabulary):
            raise InputError(f"the model has {classes} classes, the vocabulary {len(vocabulary)}")
        if words != len(tokenizer):
            raise InputError(f"the model has {words} words, the tokenizer {len(tokenizer)}")
        self.network, self.vocabulary, self.tokenizer = network.eval(), vocabulary, tokenizer

    @classmethod
    def new(
        cls,
        config: ModelConfig,
        vocabulary: Vocabulary,
        tokenizer: Tokenizer,
        *,
        pretrained: bool = False,
    ) -> Tag2Text:
        """Return an untrained model; ``pretrained`` fetches timm's weights of the image encoder."""
        network = Network(config, classes=len(vocabulary), pretrained=pretrained)
        return cls(network, vocabulary, tokenizer)

    @classmethod
    def from_pretrained(cls, directory: str | Path, *, device: str | None = None) -> Tag2Text:
        """Read a directory of :meth:`save_pretrained`; a CUDA device by default where one is.

        :class:`InputError` when a file is missing or broken, or the vocabulary beside the weights
        is not the one that they were trained with.
        """
        folder = Path(directory)
        if not (folder / WEIGHTS).exists():
            raise InputError(_no_model(folder))
        config = from_json("\n".join(read_lines(folder / CONFIG)))
        vocabulary = Vocabulary.load(folder / "vocabulary")
        _check_fingerprint(folder, vocabulary)
        tokenizer = load_tokenizer(folder / "tokenizer", words=config.words)
        _check_sizes(folder, config, len(vocabulary))
        network = Network(config, classes=len(vocabulary))
        load_weights(network, folder / WEIGHTS)
        default = "cuda" if torch.cuda.is_available() else "cpu"
        return cls(network, vocabulary, tokenizer).to(device or default)

    def save_pretrained(self, directory: str | Path) -> None:
        """Write weights, configuration, vocabulary, tokenizer and a card; the weights last."""
        folder = Path(directory)
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(folder / CONFIG, self.config.to_json())
        write_whole(folder / CARD, card(self.network, self.vocabulary))
        self.vocabulary.save(folder / "vocabulary")
        self.tokenizer.save(folder / "tokenizer")
        save_weights(self.network, folder / WEIGHTS, vocabulary=self.vocabulary.fingerprint)

    def with_vocabulary(self, vocabulary: Vocabulary) -> Tag2Text:
        """Return a model for other tags: common ones keep what was learned, the rest are new.

        Tags are the same where kind and text are.
        """
        network = with_classes(self.network, self.vocabulary, vocabulary)
        return Tag2Text(network, vocabulary, self.tokenizer).to(self.device)

    def to(self, device: str | torch.device) -> Tag2Text:
        """Move the weights to a device; returns the model itself."""
        self.network.to(device)
        return self

    @property
    def config(self) -> ModelConfig:
        """Sizes and choices of the network."""
        return self.network.config

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.network.tagging.bias.device

    @cached_property
    def guide(self) -> Guide:
        """What chooses the names that guide captions."""
        return Guide(self.vocabulary, self.tokenizer, self.config.max_tag_tokens)

    @cached_property
    def _thresholds(self) -> Tensor:
        return thresholds(self.vocabulary)

    @torch.no_grad()
    def tag(
        self,
        images: Iterable[Picture],
        *,
        threshold: float | None = None,
        top: int | None = None,
        labels: Sequence[str] | None = None,
        batch_size: int = BATCH,
    ) -> list[list[TagScore]]:
        """Return each image's tags, the surest first.

        Those above their own threshold, or above ``threshold`` when it is given. ``labels``
        (``"dog"`` or ``"object:dog"``) are the only ones scored, at a cost in proportion;
        ``top`` is how many to return at most. With one of these two and no ``threshold``, a tag
        need pass none.
        """
        if top is not None and top < 1:
            raise InputError(f"top {top}: take 1 or more, or leave it out")
        ids = None if labels is None else label_ids(self.vocabulary, labels)
        tags = self.vocabulary.tags if ids is None else [self.vocabulary.tags[i] for i in ids]
        floor = self._floor(threshold, ids, bounded=top is not None or labels is not None)
        return [
            choose(scores, floor, tags, top)
            for features in self._features(images, batch_size)
            for scores in self._scores(features, ids)
        ]

    @torch.no_grad()
    def caption(
        self,
        images: Iterable[Picture],
        tags: Sequence[str] | Sequence[Sequence[str]] | None = None,
        *,
        threshold: float | None = None,
        beams: int = 3,
        nucleus: float | None = None,
        min_tokens: int = 10,
        max_tokens: int = 30,
        seed: int = 0,
        batch_size: int = BATCH,
    ) -> list[Description]:
        """Return a caption for each image, guided by its recognised tags, or by ``tags``.

        ``tags`` are free text: a list for all images, or a list of lists, one an image. The
        other parameters are those of :func:`~model.generation.generate`.
        """
        pictures = list(images)
        given = None if tags is None else rows_of_tags(tags, len(pictures))
        made: list[Description] = []
        for features in self._features(pictures, batch_size):
            rows = self._guidance(features, given, len(made), threshold=threshold)
            captions = generate(
                self.network,
                features,
                *self._tokens(rows),
                self.tokenizer,
                beams=1 if nucleus is not None else beams,
                nucleus=nucleus,
                min_tokens=min_tokens,
                max_tokens=max_tokens,
                seed=seed,
            )
            made += _described(captions, rows)
        return made

    @torch.no_grad()
    def answer(
        self,
        images: Iterable[Picture],
        questions: Sequence[str],
        *,
        answers: Sequence[str] | None = None,
        tags: Sequence[str] | Sequence[Sequence[str]] | None = None,
        beams: int = 3,
        max_tokens: int = 10,
        batch_size: int = BATCH,
    ) -> list[Description]:
        """Return the answer to each image's question: free, or the likeliest of ``answers``.

        The paper's Appendix E. ``tags`` are as in :meth:`caption`. The score is the mean
        log-probability of a free answer's tokens, the whole log-probability of a given one.
        """
        pictures = list(images)
        if isinstance(questions, str) or len(pictures) != len(questions):
            raise InputError(f"{len(pictures)} images: give a list of as many questions")
        given = None if tags is None else rows_of_tags(tags, len(pictures))
        made: list[Description] = []
        for features in self._features(pictures, batch_size):
            part = questions[len(made) : len(made) + len(features)]
            rows = self._guidance(features, given, len(made), questions=part)
            asked = encode_questions(
                self.tokenizer, part, rows, max_tokens=self.config.max_tag_tokens
            )
            if answers is None:
                how = {"beams": beams, "max_tokens": max_tokens}
                found = generate_answers(self.network, features, asked, self.tokenizer, **how)
            else:
                found = best_answers(self.network, features, asked, answers, self.tokenizer)
            made += _described(found, rows)
        return made

    @torch.no_grad()
    def encode_image(self, images: Iterable[Picture], *, batch_size: int = BATCH) -> Tensor:
        """Return unit vectors (images, projection), float32 on the CPU, to compare with texts."""
        encoder = self._alignment()
        batches = self._features(images, batch_size)
        parts = [encoder.encode_image(features).cpu() for features in batches]
        return torch.cat([torch.empty(0, self.config.projection), *parts])

    @torch.no_grad()
    def encode_text(self, texts: Sequence[str]) -> Tensor:
        """Return unit vectors (texts, projection), float32 on the CPU, to compare with images."""
        encoder = self._alignment()
        ids, mask = self._texts(texts)
        places = (slice(start, start + TEXTS) for start in range(0, len(ids), TEXTS))
        return torch.cat([encoder.encode_text(ids[at], mask[at]).cpu() for at in places])

    @torch.no_grad()
    def match(
        self, images: Iterable[Picture], texts: Sequence[str], *, batch_size: int = BATCH
    ) -> Match:
        """Return how each image and each text belong together (Section 3.4).

        The similarity is the cosine of :meth:`encode_image` and :meth:`encode_text`, which finds
        candidates; the probability looks at both together, and costs a pass for each pair.
        """
        encoder, vectors = self._alignment(), self.encode_text(texts)
        ids, mask = self._texts(texts)
        similarity, probability = ([torch.empty(0, len(texts))] for _ in range(2))
        for features in self._features(images, batch_size):
            similarity.append(encoder.encode_image(features).cpu() @ vectors.T)
            logits = pair_logits(encoder, ids, mask, features)
            probability.append(torch.sigmoid(logits.float()).cpu())
        return Match(torch.cat(similarity), torch.cat(probability))

    @torch.no_grad()
    def heatmaps(self, image: Picture, tags: Sequence[Tag | TagScore]) -> Tensor:
        """Return where the head looks for each tag, (tags, side, side): the mean over its heads."""
        head = self.network.tagging
        if not isinstance(head, TaggingHead):
            raise InputError("a model whose tagging head is a full connection has no heatmaps")
        ids = label_ids(self.vocabulary, [f"{tag[0]}:{tag[1]}" for tag in tags])
        (features,) = self._features([image], 1)
        return to_grid(
            attention_maps(head, features, torch.tensor(ids, device=self.device))[0]
        ).cpu()

    def _features(self, images: Iterable[Picture], batch_size: int) -> Iterator[Features]:
        for pictures in _batches(images, batch_size):
            pixels = [to_pixels(picture, self.config.image_size) for picture in pictures]
            batch = normalise(torch.stack(pixels).to(self.device), self.config)
            yield self.network.image_encoder(batch)

    def _scores(self, features: Features, ids: Sequence[int] | None) -> Tensor:
        labels = None if ids is None else torch.tensor(ids, device=self.device)
        return torch.sigmoid(self.network.tagging(features, labels).float()).cpu()

    def _floor(self, threshold: float | None, ids: list[int] | None, *, bounded: bool) -> Tensor:
        if threshold is not None and not 0 <= threshold <= 1:
            raise InputError(f"threshold {threshold:g}: a probability is 0 to 1")
        own = self._thresholds if ids is None else self._thresholds[ids]
        if threshold is None and not bounded:
            return own
        return torch.full_like(own, -1.0 if threshold is None else threshold)

    def _guidance(
        self,
        features: Features,
        given: list[list[str]] | None,
        start: int,
        *,
        threshold: float | None = None,
        questions: Sequence[str] | None = None,
    ) -> list[list[str]]:
        """Return the names that guide each image of a batch, those that its tokens hold."""
        asked: Sequence[str | None] = questions or [None] * len(features)
        if given is not None:
            rows = given[start : start + len(features)]
            return [self.guide.fitting(*row) for row in zip(rows, asked, strict=True)]
        floor = self._floor(threshold, None, bounded=False)
        found = zip(self._scores(features, None), asked, strict=True)
        return [self.guide.recognised(scores, floor, question) for scores, question in found]

    def _tokens(self, rows: list[list[str]]) -> tuple[Tensor, Tensor]:
        ids, mask = self.tokenizer.encode_tags(rows, max_tokens=self.config.max_tag_tokens)
        return ids.to(self.device), mask.to(self.device)

    def _texts(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        if isinstance(texts, str) or not texts:
            raise InputError(f"texts {texts!r}: give a list of one or more")
        ids, mask = self.tokenizer.encode_texts(texts, max_tokens=self.config.max_caption_tokens)
        return ids.to(self.device), mask.to(self.device)

    def _alignment(self) -> AlignmentEncoder:
        if self.network.alignment is None:
            raise InputError(
                "this model compares no images with texts: the released checkpoints lack that "
                "part; train one with alignment"
            )
        return self.network.alignment


def _no_model(folder: Path) -> str:
    """Say why a directory is no model; the output of a training run holds one."""
    if not folder.is_dir():
        return f"{folder}: no such directory; check the path to the model"
    inner = folder / "model"
    hint = f"give {inner}" if (inner / WEIGHTS).exists() else "check the path"
    return f"{folder}: has no {WEIGHTS}, so it is no model; {hint}"


def _check_fingerprint(folder: Path, vocabulary: Vocabulary) -> None:
    trained = read_fingerprint(folder / WEIGHTS)
    if trained != vocabulary.fingerprint:
        raise InputError(
            f"{folder}: the weights are for the vocabulary {trained[:12] or 'of no name'}, beside "
            f"them lies {vocabulary.fingerprint[:12]}; put theirs there"
        )


def _check_sizes(folder: Path, config: ModelConfig, classes: int) -> None:
    """Refuse a configuration that asks for other sizes than the weights have, and for memory."""
    try:
        with torch.device("meta"):
            skeleton = Network(config, classes=classes)
    except (InputError, RuntimeError):
        return  # some of timm's encoders cannot be made without numbers
    check_shapes(skeleton, folder / WEIGHTS)


def _batches(images: Iterable[Picture], size: int) -> Iterator[list[Picture]]:
    if size < 1:
        raise InputError(f"batch size {size}: take 1 or more")
    if isinstance(images, str | Path | Image.Image):
        raise InputError("images: give a list of them, of one if need be")
    batch: list[Picture] = []
    for image in images:
        batch.append(image)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def _described(found: Iterable[Caption], rows: Iterable[Sequence[str]]) -> list[Description]:
    pairs = zip(found, rows, strict=True)
    return [Description(one.text, one.score, tuple(row)) for one, row in pairs]
