"""`shards`: images, mined captions and a vocabulary become labelled WebDataset shards."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pipeline import storage
from pipeline.card import dataset_card
from pipeline.image_sources import TAR, ImageReader, folder_fingerprint, open_images
from pipeline.images import BadImageError, EncodedImage, ImageSettings, prepare
from pipeline.job import (
    INFO,
    Job,
    Summary,
    finish,
    open_output,
    read_completed,
    read_info,
    summarise,
)
from pipeline.labelled import (
    COMMAND,
    INDEX,
    LABELLED_SCHEMA,
    LABELS,
    SIZES,
    VOCABULARY,
    Captioned,
    LabelPacker,
    load_vocabulary,
    read_captioned,
)
from pipeline.records import MINED_SCHEMA, PARQUET, RowWriter, read_rows
from pipeline.runner import EachShard, RunnerConfig, run_each_shard
from pipeline.shard import STATS, ShardOutput, dumps, is_done, list_stems, read_stats, shard_name
from pipeline.tar import SampleTar
from vocab.errors import InputError
from vocab.vocabulary import Vocabulary

CARD: Final = "README.md"


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardsConfig:
    """Settings of `shards`: ``mined`` and ``vocabulary`` are directories of earlier commands.

    Images come from ``image_root``, a local folder that the captions' paths are relative to, or
    from ``images``, a directory of downloaded shards with the mined shards' numbers.
    """

    mined: str
    vocabulary: str
    output: str
    image_root: str | None = None
    images: str | None = None
    settings: ImageSettings = field(default_factory=ImageSettings)
    max_bad_ratio: float = 0.5  # dead links are normal
    take_over: bool = False
    runner: RunnerConfig = field(default_factory=RunnerConfig)

    def __post_init__(self) -> None:
        if (self.image_root is None) == (self.images is None):
            raise InputError("give --image-root FOLDER or --images DIRECTORY: one, not both")
        if self.image_root is not None and not Path(self.image_root).is_dir():
            raise InputError(f"--image-root {self.image_root}: no such local folder")


def write_shards(config: ShardsConfig) -> Summary:
    """Write the labelled shards of a mined directory; only missing ones are made.

    Raises:
        InputError: an input is not finished or damaged, or too many samples were bad.
    """
    mined = read_completed(config.mined, "mine")
    if config.images is not None:
        _refuse_other_images(config.images)
    source = read_info(config.mined)["config"]["source"]
    vocabulary = load_vocabulary(config.vocabulary)
    job = Job(
        command=COMMAND,
        output=config.output,
        config={
            "source": source,
            "vocabulary": vocabulary.fingerprint,
            "encoding": vocabulary.encoding,
            **config.settings.to_json(),
        },
        inputs={"mined": mined.digest},
        max_bad_ratio=config.max_bad_ratio,
        take_over=config.take_over,
    )
    make = LabelShard(config)
    with open_output(job):
        _keep_vocabulary(config)
        stems = [labelled_stem(source, stem) for stem in list_stems(config.mined)]
        missing = [s for s in stems if not make.is_done(s)]
        run_each_shard(make, missing, runner=config.runner)
        _describe(config.output, source, vocabulary, stems)
        return finish(job, stems)


def _refuse_other_images(directory: str) -> None:
    """Refuse another step's output; a directory without ``info.json`` is img2dataset's own."""
    if storage.size(storage.join(directory, INFO)) is None:
        return
    command = read_info(directory).get("command")
    if command != "download":
        raise InputError(
            f"{directory}: made by `tag2text {command}`, but the output of `tag2text download` "
            "is needed here (--images)"
        )


def download_fingerprint(images: str, stem: str) -> str:
    """Return the digest of a downloaded shard's table, from its stats where they are ours.

    Empty where there is no such shard: making the labelled one says what is missing.
    """
    name = stem + PARQUET
    try:
        stats = read_stats(images, stem)
    except InputError:  # img2dataset's own stats, which hold no digest
        stats = None
    if stats is not None and name in stats.files:
        return str(stats.files[name]["sha256"])
    table = storage.join(images, name)
    return storage.sha256(table) if storage.size(table) is not None else ""


def labelled_stem(source: str, stem: str) -> str:
    """Return the name of the labelled shard of a mined one ("00007" -> "coco-000007")."""
    return f"{source}-{int(stem):06d}"


def mined_stem(stem: str) -> str:
    """Return the name of the mined shard of a labelled one ("coco-000007" -> "00007")."""
    return shard_name(int(stem.rpartition("-")[2]))


class LabelShard(EachShard):
    """Makes one labelled shard from the mined shard, and the images, of the same number."""

    def __init__(self, config: ShardsConfig) -> None:
        self.config, self.output = config, config.output

    def setup(self) -> None:
        """Load the vocabulary, once a process, before the first shard."""
        load_vocabulary(self.config.vocabulary)

    def is_done(self, stem: str) -> bool:
        """Say whether ``stem`` is there, made of what it would be made of now."""
        # The inputs of a shard that was never made need no look at its images.
        made = storage.size(storage.join(self.output, stem + STATS)) is not None
        return made and is_done(self.output, stem, self.inputs(stem))

    def inputs(self, stem: str) -> dict[str, str]:
        """Return the digests of what ``stem`` is made from."""
        mined = mined_stem(stem)
        stats = read_stats(self.config.mined, mined)
        if stats is None:
            raise InputError(f"{self.config.mined}: shard {mined} is not finished; run mine again")
        table = stats.files[mined + PARQUET]["sha256"]
        return {"mined": table, "images": self._images_digest(mined)}

    def _images_digest(self, mined: str) -> str:
        root, images = self.config.image_root, self.config.images
        if root is not None:
            path = storage.join(self.config.mined, mined + PARQUET)
            rows = read_rows(path, ["image"], schema=MINED_SCHEMA)
            return folder_fingerprint(root, dict.fromkeys(row["image"] for row in rows))
        return download_fingerprint(str(images), mined)

    def make(self, stem: str) -> None:
        """Join, check and write the samples of one shard."""
        config, mined = self.config, mined_stem(stem)
        vocabulary = load_vocabulary(config.vocabulary)
        samples = read_captioned(storage.join(config.mined, mined + PARQUET), vocabulary)
        output = ShardOutput(self.output, stem, COMMAND, self.inputs(stem))
        with (
            open_images(image_root=config.image_root, images=config.images, stem=mined) as images,
            output,
            LabelledWriter(output, vocabulary) as writer,
        ):
            for sample in samples:
                image = _image_or_none(sample, images, config.settings, output)
                if image is not None:
                    writer.write(sample, image)
            _record_uncaptioned(samples, images, output)


class LabelledWriter:
    """Writes samples to the tar, the index and the table of one shard, and counts."""

    def __init__(self, output: ShardOutput, vocabulary: Vocabulary) -> None:
        self._output, self._packer = output, LabelPacker(vocabulary)
        self._tags, self._labels = vocabulary.tags, Counter[int]()
        self._tar = SampleTar(output.file(TAR), output.file(INDEX))
        self._rows = RowWriter(output.file(PARQUET), LABELLED_SCHEMA)

    def write(self, sample: Captioned, image: EncodedImage) -> None:
        """Write one sample."""
        labels = sample.labels()
        parts = (
            (image.extension, image.content),
            ("json", sample.to_json()),
            (LABELS, self._packer.pack(labels)),
        )
        self._tar.add(sample.key, parts)
        self._rows.write(_table_row(sample, image, labels))
        self._output.rows += 1
        self._count(sample, labels)

    def _count(self, sample: Captioned, labels: list[int]) -> None:
        counts = self._output.counts
        counts["captions"] += len(sample.captions)
        counts["labels"] += len(labels)
        counts["untagged"] += not labels
        self._labels.update(labels)

    def __enter__(self) -> LabelledWriter:
        return self

    def __exit__(self, *exception: object) -> None:
        for index, count in self._labels.items():
            self._output.counts[f"{self._tags[index].kind}_labels"] += count
        try:
            self._tar.__exit__(*exception)
        finally:
            self._rows.__exit__(*exception)


def _table_row(sample: Captioned, image: EncodedImage, labels: list[int]) -> dict[str, object]:
    return {
        "key": sample.key,
        "url": sample.image,
        "width": image.width,
        "height": image.height,
        "captions": sample.captions,
        "tags": labels,
        "format": image.extension,
        "bytes": len(image.content),
    }


def _image_or_none(
    sample: Captioned, images: ImageReader, settings: ImageSettings, output: ShardOutput
) -> EncodedImage | None:
    """Return the checked image, or ``None`` once the sample is recorded as bad."""
    output.rows_in += 1
    try:
        return prepare(images.read(sample.key, sample.image), settings)
    except BadImageError as bad:
        output.bad(sample.key, bad.reason, bad.detail)
        return None


def _record_uncaptioned(
    samples: Iterable[Captioned], images: ImageReader, output: ShardOutput
) -> None:
    captioned = {sample.key for sample in samples}
    for key in images.known_keys():
        if key not in captioned:
            output.rows_in += 1
            output.bad(key, "no_caption", "no usable caption in the mined shard")


def _keep_vocabulary(config: ShardsConfig) -> None:
    """Put the vocabulary beside the shards: ids mean nothing without it."""
    with tempfile.TemporaryDirectory() as folder:
        load_vocabulary(config.vocabulary).save(Path(folder))
        for file in sorted(Path(folder).iterdir()):
            path = storage.join(config.output, VOCABULARY, file.name)
            storage.update_bytes(path, file.read_bytes())


def _describe(output: str, source: str, vocabulary: Vocabulary, stems: list[str]) -> None:
    """Write the files that describe the directory as a whole."""
    sizes = {s + TAR: stats.rows for s in stems if (stats := read_stats(output, s)) is not None}
    storage.update_bytes(storage.join(output, SIZES), dumps(sizes))
    card = dataset_card(source=source, vocabulary=vocabulary, summary=summarise(output, stems))
    storage.update_bytes(storage.join(output, CARD), card.encode())
