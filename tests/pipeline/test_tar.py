import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest
import webdataset
from hypothesis import given
from hypothesis import strategies as st

from pipeline.tar import Member, SampleTar, header, read_index
from vocab.errors import InputError

CONTENTS = st.lists(st.binary(max_size=1500), min_size=1, max_size=5)


def write(folder: Path, samples: list[tuple[str, list[tuple[str, bytes]]]]) -> tuple[Path, Path]:
    tar, index = folder / "s.tar", folder / "s.index"
    with SampleTar(tar, index) as writer:
        for key, parts in samples:
            writer.add(key, parts)
    return tar, index


@given(
    st.from_regex(r"[a-z0-9_]{1,20}-[0-9]{9}\.[a-z.]{1,20}", fullmatch=True),
    st.integers(0, 8**11 - 1),
)
def test_header_is_what_the_standard_library_writes(name: str, size: int) -> None:
    info = tarfile.TarInfo(name)
    info.size = size
    assert header(name, size) == info.tobuf(tarfile.USTAR_FORMAT)


@pytest.mark.parametrize("name", ["", "a" * 101, "é", "a\nb", "a\0b"])
def test_a_name_that_does_not_fit_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="100 printable ASCII"):
        header(name, 1)


def test_a_name_of_100_bytes_fits() -> None:
    assert tarfile.TarInfo.frombuf(header("a" * 100, 1), "ascii", "strict").name == "a" * 100


@pytest.mark.parametrize("size", [-1, 8**11])
def test_a_size_that_does_not_fit_is_refused(size: int) -> None:
    with pytest.raises(InputError, match="8 GiB"):
        header("a.jpg", size)


@given(CONTENTS)
def test_index_points_at_the_content(
    tmp_path_factory: pytest.TempPathFactory, contents: list[bytes]
) -> None:
    samples = [
        (f"k-{n:09d}", [("jpg", c), ("labels.npy", c[::-1])]) for n, c in enumerate(contents)
    ]
    tar, index = write(tmp_path_factory.mktemp("tar"), samples)
    found = read_index(str(index))
    whole = tar.read_bytes()
    assert len(found) == len(samples)
    for (key, parts), members in zip(samples, found, strict=True):
        for (extension, content), member in zip(parts, members, strict=True):
            assert member.name == f"{key}.{extension}"
            assert member.extension == extension
            assert whole[member.offset : member.offset + member.size] == content
    with tarfile.open(tar) as archive:
        read = [archive.extractfile(m).read() for m in archive]  # type: ignore[union-attr]
    assert read == [content for _, parts in samples for _, content in parts]


def test_index_is_in_the_form_of_wds2idx(tmp_path: Path) -> None:
    _, index = write(
        tmp_path, [("a-1", [("jpg", b"x" * 513), ("json", b"{}")]), ("a-2", [("jpg", b"")])]
    )
    assert index.read_text() == (
        "v1.2 2\njpg 512 513 a-1.jpg json 2048 2 a-1.json\njpg 3072 0 a-2.jpg\n"
    )


def test_same_samples_give_the_same_bytes_whatever_the_time(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    samples = [("a-1", [("jpg", b"abc")])]
    tars = [write(tmp_path / name, samples)[0].read_bytes() for name in ("one", "two")]
    assert tars[0] == tars[1]
    assert len(tars[0]) % 512 == 0


@pytest.mark.skipif(shutil.which("tar") is None, reason="no tar program")
def test_tar_program_reads_it_without_a_warning(tmp_path: Path) -> None:
    tar, _ = write(tmp_path, [("a-1", [("jpg", b"abc"), ("json", b"{}")])])
    listed = subprocess.run(["tar", "-tf", tar], capture_output=True, text=True, check=True)
    assert (listed.stdout, listed.stderr) == ("a-1.jpg\na-1.json\n", "")


def test_webdataset_reads_it(tmp_path: Path) -> None:
    tar, _ = write(
        tmp_path, [("a-1", [("jpg", b"abc"), ("labels.npy", b"x")]), ("a-2", [("jpg", b"d")])]
    )
    found = [(s["__key__"], s["jpg"]) for s in webdataset.WebDataset(str(tar), shardshuffle=False)]
    assert found == [("a-1", b"abc"), ("a-2", b"d")]


def test_an_error_leaves_no_index(tmp_path: Path) -> None:
    with pytest.raises(InputError), SampleTar(tmp_path / "s.tar", tmp_path / "s.index") as writer:
        writer.add("k" * 120, [("jpg", b"")])
    assert not (tmp_path / "s.index").exists()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "v1.2 2\njpg 512 3 a.jpg\n",
        "v1.1 1\njpg 512 3 a.jpg\n",
        "v1.2 1\njpg 512 3\n",
        "v1.2 1\njpg x 3 a.jpg\n",
        "\xff",
    ],
)
def test_what_is_no_index_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "s.index"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError, match="not an index"):
        read_index(str(path))


def test_a_missing_index_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_index(str(tmp_path / "s.index"))


def test_members_are_read_back(tmp_path: Path) -> None:
    _, index = write(tmp_path, [("a-1", [("jpg", b"abc")])])
    assert read_index(str(index)) == [(Member("jpg", 512, 3, "a-1.jpg"),)]
