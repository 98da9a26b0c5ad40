"""From a configuration to the parts of a run: the model, its words, the readers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Final, TypeAlias

import torch

from model.config import ModelConfig, from_json, preset
from model.network import Network
from model.tag2text import Tag2Text
from model.tokenizer import Tokenizer, load_tokenizer, train_tokenizer
from train.config import TrainConfig
from train.ranks import Ranks
from train.reader import IndexedReader, ReaderConfig
from train.samples import SampleMaker, parse
from train.shards import BadSampleError, ShardSet, expand, open_shards
from train.web_reader import WebReader, open_web_shards
from vocab.errors import InputError
from vocab.files import read_lines
from vocab.vocabulary import Vocabulary

BERT_WORDS: Final = 30_524  # bert-base-uncased's, [DEC] and [ENC]
SPELLED: Final = 50_000  # samples whose captions a tokenizer is learned from

Reader: TypeAlias = "IndexedReader | WebReader"


def new_model(config: TrainConfig, ranks: Ranks) -> Tag2Text:
    """Return the model that training begins with, on the CPU, the same on all ranks."""
    torch.manual_seed(config.seed)
    vocabulary = data_vocabulary(config)
    if config.init:
        model = Tag2Text.from_pretrained(config.init, device="cpu")
        same = model.vocabulary.fingerprint == vocabulary.fingerprint
        return model if same else model.with_vocabulary(vocabulary)
    sizes = model_config(config)
    words = ranks.at_first(lambda: _tokenizer(config, sizes, vocabulary).words)
    network = Network(sizes, classes=len(vocabulary), pretrained=config.pretrained)
    return Tag2Text(network, vocabulary, Tokenizer(words))


def model_config(config: TrainConfig) -> ModelConfig:
    """Return the sizes of a new model: those of a file, or of the preset."""
    if config.model_config:
        return from_json("\n".join(read_lines(Path(config.model_config))))
    return preset(config.preset)


def data_vocabulary(config: TrainConfig) -> Vocabulary:
    """Return the vocabulary that the training data is labelled with."""
    first = expand(config.train_data)[0]
    folder = Path(config.train_described_by or (first if _is_folder(first) else Path(first).parent))
    if not (folder / "vocabulary").is_dir():
        raise InputError(
            f"{folder}/vocabulary: is no directory here; for shards elsewhere say with "
            "--train-described-by which directory here holds a copy of vocabulary/ and sizes.json"
        )
    return Vocabulary.load(folder / "vocabulary")


def open_reader(config: TrainConfig, model: Tag2Text, ranks: Ranks) -> Reader:
    """Return the reader of the training data, which draws and augments."""
    maker = _maker(config, model, training=True)
    settings = _reader_config(config, ranks)
    if config.reader == "indexed":
        shards = open_shards(config.train_data, model.vocabulary)
        return IndexedReader(shards, maker, settings)
    described_by = config.train_described_by or None
    found = open_web_shards(config.train_data, model.vocabulary, described_by=described_by)
    return WebReader(found, maker, settings)


def open_validation(config: TrainConfig, model: Tag2Text, ranks: Ranks) -> IndexedReader | None:
    """Return a reader of the whole images to validate on, if there are any."""
    if not config.validation_data:
        return None
    shards = open_shards(config.validation_data, model.vocabulary)
    settings = _reader_config(config, ranks)
    settings = replace(settings, batch_size=min(settings.batch_size, len(shards)))
    return IndexedReader(shards, _maker(config, model, training=False), settings)


def _maker(config: TrainConfig, model: Tag2Text, *, training: bool) -> SampleMaker:
    return SampleMaker(
        config=model.config,
        vocabulary=model.vocabulary,
        tokenizer=model.tokenizer,
        training=training,
        augmented=config.augment,
        seed=config.seed,
    )


def _reader_config(config: TrainConfig, ranks: Ranks) -> ReaderConfig:
    return ReaderConfig(
        batch_size=config.batch_size,
        seed=config.seed,
        workers=config.workers,
        rank=ranks.rank,
        world=ranks.world,
        pin_memory=ranks.device.type == "cuda",
        max_bad_ratio=config.max_bad_ratio,
    )


def _tokenizer(config: TrainConfig, sizes: ModelConfig, vocabulary: Vocabulary) -> Tokenizer:
    if config.tokenizer:
        return load_tokenizer(config.tokenizer, words=sizes.words)
    if sizes.words == BERT_WORDS:
        return load_tokenizer(words=sizes.words)
    if any("://" in path or path.startswith("pipe:") for path in expand(config.train_data)):
        raise InputError("a tokenizer is learned from shards here; give one with --tokenizer")
    shards = open_shards(config.train_data, vocabulary)
    return train_tokenizer(captions_of(shards, len(vocabulary)), words=sizes.words)


def captions_of(shards: ShardSet, classes: int) -> Iterator[str]:
    """Yield the captions of the first samples, the broken left out."""
    for number in islice(range(len(shards)), SPELLED):
        try:
            captions, _ = parse(shards.read(number).text, classes)
        except BadSampleError:
            continue
        yield from captions


def _is_folder(path: str) -> bool:
    return Path(path).is_dir()


def saved_config(config: TrainConfig) -> dict[str, object]:
    """Return the configuration as JSON has it, for a checkpoint."""
    saved: dict[str, object] = json.loads(config.to_json())
    return saved
