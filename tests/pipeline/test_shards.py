import dataclasses
import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import webdataset
import yaml

from pipeline.check import check_directory
from pipeline.images import ImageSettings
from pipeline.labelled import LABELLED_SCHEMA
from pipeline.runner import RunnerConfig
from pipeline.shards import ShardsConfig, labelled_stem, mined_stem, write_shards
from pipeline.tar import read_index
from tests.factories import write_mined
from tests.pictures import opened, picture
from vocab.errors import InputError
from vocab.graph import Tag
from vocab.vocabulary import Entry, Vocabulary

DOG, PARK, RUN, RED = (
    Tag("object", "dog"),
    Tag("scene", "park"),
    Tag("action", "run"),
    Tag("attribute", "red"),
)
VOCABULARY = Vocabulary(tuple(Entry(tag) for tag in (DOG, PARK, RUN, RED)))
BAD = {
    "empty.jpg": (b"", "empty_file"),
    "page.jpg": (b"<html>gone</html>", "not_an_image"),
    "drawing.svg": (b"<svg/>", "not_an_image"),
    "half.jpg": (picture()[:-100], "truncated"),
    "half.png": (picture("PNG")[:-20], "truncated"),
    "half.webp": (picture("WEBP")[:-20], "truncated"),
    "odd.gif": (b"GIF89a" + bytes(30), "broken_image"),
    "bomb.png": (picture("PNG")[:16] + b"\0\1\0\0" * 2 + picture("PNG")[24:], "too_many_pixels"),
    "gone.jpg": (None, "no_image"),
    "http://example.org/a.jpg": (None, "no_image"),
    "../secret.jpg": (None, "outside_root"),
}


def captions(number: int) -> list[tuple[str, list[Tag]]]:
    rows = [("A red dog", [RED, DOG]), ("dogs run in the park", [DOG, RUN, PARK]), ("hm", [])]
    return rows[: number % 4]  # none at all for every fourth image


@pytest.fixture
def config(tmp_path: Path) -> ShardsConfig:
    """Two shards over a folder of images: 7 good ones of each format, and the bad ones."""
    images = tmp_path / "images"
    images.mkdir()
    (tmp_path / "secret.jpg").write_bytes(picture())
    formats = [("JPEG", "jpg"), ("PNG", "png"), ("WEBP", "webp"), ("GIF", "gif")]
    names = []
    for number in range(7):
        format, extension = formats[number % 4]
        names.append(f"{number}.{extension}")
        (images / names[-1]).write_bytes(picture(format, size=(30 + number, 20)))
    for name, (content, _) in BAD.items():
        if content is not None:
            (images / name).write_bytes(content)
    good = [(name, captions(1 + number % 3)) for number, name in enumerate(names)]
    bad = [(name, captions(2)) for name in BAD]
    write_mined(tmp_path / "mined", [good[:4], [*good[4:], *bad]], source="coco")
    VOCABULARY.save(tmp_path / "vocabulary")
    return configured(tmp_path)


def configured(folder: Path, **options: object) -> ShardsConfig:
    paths = {
        "mined": folder / "mined",
        "vocabulary": folder / "vocabulary",
        "output": folder / "out",
    }
    settings = {"image_root": str(folder / "images"), "max_bad_ratio": 0.7, **options}
    return ShardsConfig(**{k: str(v) for k, v in paths.items()} | settings)  # type: ignore[arg-type]


def files(folder: Path) -> dict[str, bytes]:
    hidden = (".lock",)
    return {
        str(p.relative_to(folder)): p.read_bytes()
        for p in sorted(folder.rglob("*"))
        if p.is_file() and p.name not in hidden
    }


def samples(folder: Path) -> Iterator[dict[str, bytes]]:
    tars = [str(tar) for tar in sorted(folder.glob("*.tar"))]
    return iter(webdataset.WebDataset(tars, shardshuffle=False))


def test_a_directory_of_labelled_shards(config: ShardsConfig, tmp_path: Path) -> None:
    summary = write_shards(config)
    out = tmp_path / "out"
    assert (summary.shards, summary.rows_in, summary.rows) == (2, 18, 7)
    assert summary.bad == {
        reason: sum(expected == reason for _, expected in BAD.values())
        for _, reason in BAD.values()
    }
    assert sorted(files(out)) == sorted(
        [
            *("COMPLETED", "README.md", "info.json", "sizes.json", "bad/coco-000001.jsonl"),
            *(f"vocabulary/{p.name}" for p in (tmp_path / "vocabulary").iterdir()),
            *(f"coco-00000{n}{suffix}" for n in (0, 1)
              for suffix in (".tar", ".index", ".parquet", "_stats.json")),
        ]
    )  # fmt: skip
    assert json.loads((out / "sizes.json").read_bytes()) == {
        "coco-000000.tar": 4,
        "coco-000001.tar": 3,
    }
    assert check_directory(str(out)) == []


def test_every_bad_image_has_its_line(config: ShardsConfig, tmp_path: Path) -> None:
    write_shards(config)
    lines = (tmp_path / "out" / "bad" / "coco-000001.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    assert [row["reason"] for row in rows] == [reason for _, reason in BAD.values()]
    assert [row["key"] for row in rows] == [f"coco-{n:09d}" for n in range(7, 18)]
    assert {row["stage"] for row in rows} == {"shards"}


def test_samples_hold_image_captions_classes_and_labels(
    config: ShardsConfig, tmp_path: Path
) -> None:
    write_shards(config)
    found = list(samples(tmp_path / "out"))
    assert [sample["__key__"] for sample in found] == [f"coco-{n:09d}" for n in range(7)]
    first, second = found[0], found[1]
    assert first["jpg"] == (tmp_path / "images" / "0.jpg").read_bytes()
    assert second["png"] == (tmp_path / "images" / "1.png").read_bytes()
    assert json.loads(second["json"]) == {
        "captions": ["A red dog", "dogs run in the park"],
        "tags": [[0, 3], [0, 1, 2]],
        "source": "coco",
        "url": "1.png",
    }
    assert VOCABULARY.unpack(np.load(io.BytesIO(first["labels.npy"]))) == [0, 3]
    assert VOCABULARY.unpack(np.load(io.BytesIO(second["labels.npy"]))) == [0, 1, 2, 3]
    assert opened(found[3]["jpg"]).size == (33, 20)  # was a GIF


def test_members_come_in_order_and_the_index_points_at_them(
    config: ShardsConfig, tmp_path: Path
) -> None:
    write_shards(config)
    tar = tmp_path / "out" / "coco-000000.tar"
    whole = tar.read_bytes()
    with tarfile.open(tar) as archive:
        contents = {m.name: archive.extractfile(m).read() for m in archive}  # type: ignore[union-attr]
    members = [m for sample in read_index(str(tar.with_suffix(".index"))) for m in sample]
    assert [member.name for member in members] == list(contents)
    assert list(contents)[:3] == [f"coco-000000000.{e}" for e in ("jpg", "json", "labels.npy")]
    for member in members:
        assert whole[member.offset : member.offset + member.size] == contents[member.name]


def test_the_table_has_a_row_a_sample(config: ShardsConfig, tmp_path: Path) -> None:
    write_shards(config)
    table = pq.read_table(tmp_path / "out" / "coco-000000.parquet")
    assert table.schema.names == LABELLED_SCHEMA.names
    row = table.to_pylist()[2]
    assert (row["key"], row["url"], row["width"], row["height"]) == (
        "coco-000000002",
        "2.webp",
        32,
        20,
    )
    assert (row["tags"], row["format"], len(row["captions"])) == ([0, 1, 2, 3], "webp", 3)
    assert row["bytes"] == (tmp_path / "images" / "2.webp").stat().st_size


def test_counts_say_what_was_labelled(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    for name in ("a.jpg", "b.jpg"):
        (tmp_path / "images" / name).write_bytes(picture())
    images = [
        ("a.jpg", [("A red dog", [RED, DOG]), ("dog", [DOG])]),
        ("b.jpg", [("hm", [Tag("object", "hm")])]),
    ]
    write_mined(tmp_path / "mined", [images], source="s")
    VOCABULARY.save(tmp_path / "vocabulary")
    summary = write_shards(configured(tmp_path))
    assert summary.counts == {
        "captions": 3, "labels": 2, "untagged": 1, "object_labels": 1, "attribute_labels": 1,
    }  # fmt: skip
    untagged = list(samples(tmp_path / "out"))[1]
    assert not np.load(io.BytesIO(untagged["labels.npy"])).any()


def test_two_runs_and_two_workers_give_the_same_bytes(config: ShardsConfig, tmp_path: Path) -> None:
    write_shards(config)
    write_shards(
        configured(tmp_path, output=str(tmp_path / "again"), runner=RunnerConfig(workers=2))
    )
    assert files(tmp_path / "out") == files(tmp_path / "again")


def test_a_rerun_touches_nothing(config: ShardsConfig, tmp_path: Path) -> None:
    write_shards(config)
    times = {p: p.stat().st_mtime_ns for p in (tmp_path / "out").rglob("*") if p.is_file()}
    write_shards(config)
    assert {p: p.stat().st_mtime_ns for p in times if p.name != ".lock"} == {
        p: t for p, t in times.items() if p.name != ".lock"
    }


def test_a_rerun_makes_only_what_is_missing(config: ShardsConfig, tmp_path: Path) -> None:
    write_shards(config)
    before = files(tmp_path / "out")
    kept = tmp_path / "out" / "coco-000000.tar"
    time = kept.stat().st_mtime_ns
    (tmp_path / "out" / "coco-000001_stats.json").unlink()
    (tmp_path / "out" / "COMPLETED").unlink()
    write_shards(config)
    assert files(tmp_path / "out") == before
    assert kept.stat().st_mtime_ns == time


def test_images_that_come_or_change_later_make_their_shard_anew(
    config: ShardsConfig, tmp_path: Path
) -> None:
    first = write_shards(config)
    (tmp_path / "images/gone.jpg").write_bytes(picture())
    assert write_shards(config).rows == first.rows + 1
    empty = tmp_path / "elsewhere"
    empty.mkdir()
    wrong = dataclasses.replace(
        config, image_root=str(empty), output=str(tmp_path / "again"), max_bad_ratio=0.1
    )
    with pytest.raises(InputError, match="no_image"):
        write_shards(wrong)
    right = dataclasses.replace(wrong, image_root=config.image_root, max_bad_ratio=1.0)
    assert write_shards(right).rows == first.rows + 1


def test_images_are_made_anew_at_a_size(config: ShardsConfig, tmp_path: Path) -> None:
    write_shards(configured(tmp_path, settings=ImageSettings(image_size=10)))
    found = list(samples(tmp_path / "out"))
    assert all(min(opened(sample["jpg"]).size) == 10 for sample in found)
    assert json.loads((tmp_path / "out" / "info.json").read_bytes())["config"]["image_size"] == 10


def test_another_vocabulary_needs_another_directory(config: ShardsConfig, tmp_path: Path) -> None:
    write_shards(config)
    Vocabulary((Entry(DOG, aliases=(Tag("object", "puppy"),)),)).save(tmp_path / "other")
    with pytest.raises(InputError, match="made with other settings"):
        write_shards(configured(tmp_path, vocabulary=str(tmp_path / "other")))


def test_too_many_bad_images_fail_the_job(config: ShardsConfig, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"11 of 18 rows are bad .*--max-bad-ratio"):
        write_shards(configured(tmp_path, max_bad_ratio=0.5))
    assert not (tmp_path / "out" / "COMPLETED").exists()


def test_card_is_a_card_and_its_lines_run(
    config: ShardsConfig,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    write_shards(config)
    _, front, text = (tmp_path / "out" / "README.md").read_text().split("---\n", 2)
    assert yaml.safe_load(front)["size_categories"] == ["n<1K"]
    assert "| images | 7 |" in text
    assert "| left out: truncated | 3 |" in text
    monkeypatch.chdir(tmp_path / "out")
    exec(text.partition("```python\n")[2].partition("```")[0], {})
    assert capsys.readouterr().out.splitlines()[0] == "['A red dog'] ['dog', 'red']"


def download(folder: Path, shards: dict[str, dict[str, bytes | None]]) -> Path:
    """Write shards as img2dataset does; ``None`` is a failed download."""
    folder.mkdir()
    for stem, images in shards.items():
        rows = []
        with tarfile.open(folder / f"{stem}.tar", "w") as tar:
            for key, content in images.items():
                status, message = ("success", None) if content else ("failed_to_download", "404")
                rows.append({"key": key, "status": status, "error_message": message})
                if content:
                    member = tarfile.TarInfo(f"{key}.jpg")
                    member.size = len(content)
                    tar.addfile(member, io.BytesIO(content))
        pq.write_table(pa.Table.from_pylist(rows), folder / f"{stem}.parquet")
    return folder


def mined_of_urls(folder: Path, shards: int) -> None:
    rows = [[(f"http://x/{n}.jpg", captions(1)) for n in range(3)] for _ in range(shards)]
    write_mined(folder / "mined", rows, source="cc3m")
    VOCABULARY.save(folder / "vocabulary")


def test_downloaded_shards_are_joined_by_key(tmp_path: Path) -> None:
    mined_of_urls(tmp_path, 1)
    images = {"cc3m-000000002": picture(), "cc3m-000000000": picture(), "cc3m-000000001": None}
    images["cc3m-000000007"] = picture()
    folder = download(tmp_path / "d", {"00000": images})
    summary = write_shards(configured(tmp_path, image_root=None, images=str(folder)))
    assert (summary.rows_in, summary.rows) == (4, 2)
    assert summary.bad == {"download_failed": 1, "no_caption": 1}
    found = list(samples(tmp_path / "out"))
    assert [s["__key__"] for s in found] == ["cc3m-000000000", "cc3m-000000002"]


def test_a_damaged_download_costs_its_shard_only(tmp_path: Path) -> None:
    mined_of_urls(tmp_path, 3)
    shards = {f"{s:05d}": {f"cc3m-{3 * s + n:09d}": picture() for n in range(3)} for s in range(3)}
    folder = download(tmp_path / "d", shards)
    damaged = folder / "00001.tar"
    whole = damaged.read_bytes()
    damaged.write_bytes(whole[:1500])
    config = configured(tmp_path, image_root=None, images=str(folder))
    with pytest.raises(InputError, match=r"1 of 3 shards failed, first cc3m-000001: .*00001\.tar"):
        write_shards(config)
    made = sorted(p.name for p in (tmp_path / "out").glob("*.tar"))
    assert made == ["cc3m-000000.tar", "cc3m-000002.tar"]
    damaged.write_bytes(whole)
    assert write_shards(config).rows == 9
    assert not (tmp_path / "out" / "failed").exists()


def test_a_new_download_makes_its_shard_anew(tmp_path: Path) -> None:
    mined_of_urls(tmp_path, 1)
    keys = [f"cc3m-{n:09d}" for n in range(3)]
    download(tmp_path / "d", {"00000": {keys[0]: picture(), keys[1]: picture(), keys[2]: None}})
    config = configured(tmp_path, image_root=None, images=str(tmp_path / "d"))
    assert write_shards(config).rows == 2
    (tmp_path / "d").rename(tmp_path / "old")
    download(tmp_path / "d", {"00000": dict.fromkeys(keys, picture())})
    assert write_shards(config).rows == 3


@pytest.mark.parametrize("options", [{"images": "d"}, {"image_root": None}])
def test_images_come_from_one_place(tmp_path: Path, options: dict[str, object]) -> None:
    (tmp_path / "images").mkdir()
    with pytest.raises(InputError, match="--image-root"):
        configured(tmp_path, **options)


def test_a_root_that_is_no_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such local folder"):
        configured(tmp_path, image_root="gs://bucket/images")


def test_names_of_shards_go_both_ways() -> None:
    assert labelled_stem("my_set", "00007") == "my_set-000007"
    assert mined_stem("my_set-000007") == "00007"
    assert mined_stem(labelled_stem("a", "123456")) == "123456"


def test_images_of_another_step_are_refused(tmp_path: Path) -> None:
    mined_of_urls(tmp_path, 1)
    config = configured(tmp_path, image_root=None, images=str(tmp_path / "mined"))
    with pytest.raises(InputError, match=r"made by `tag2text mine`.*download` is needed here"):
        write_shards(config)
