"""A released checkpoint becomes a model of ours: strictly, at any size, with its tag list."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from model.config import preset
from model.network import Network
from model.released import RELEASED, convert_weights, read_released, read_tag_list
from model.released_names import our_name
from tests.model.released import drawn_weights
from tests.model.tiny import SWIN
from vocab.errors import InputError
from vocab.graph import Tag

CLASSES = 5
SMALL = replace(
    preset("tiny", **SWIN),
    **{name: getattr(RELEASED, name) for name in ("attend_padding", "alignment", "tagging")},
)
TABLE = "visual_encoder.layers.0.blocks.0.attn.relative_position_bias_table"


@pytest.fixture
def weights() -> dict[str, Tensor]:
    return drawn_weights(Network(SMALL, classes=CLASSES))


def converted(weights: dict[str, Tensor], image_size: int | None = None) -> Network:
    return convert_weights(weights, classes=CLASSES, image_size=image_size, config=SMALL)


def test_every_weight_arrives(weights: dict[str, Tensor]) -> None:
    network = converted(weights)
    state = network.state_dict()
    reached = set()
    for name, value in weights.items():
        target = our_name(name)
        assert target is not None
        assert torch.equal(state[target], value[0] if name in ("fc.W", "fc.b") else value)
        reached.add(target)
    assert reached == set(state)
    assert network.config.image_size == 64
    assert not network.training


def test_tables_that_follow_from_the_sizes_are_left_out(weights: dict[str, Tensor]) -> None:
    without = converted(dict(weights))
    weights["visual_encoder.layers.0.blocks.1.attn_mask"] = torch.ones(4, 4, 4)
    weights["visual_encoder.layers.0.blocks.1.attn.relative_position_index"] = torch.ones(4, 4)
    weights["tag_encoder.embeddings.position_ids"] = torch.arange(64)[None]
    found = converted(weights).state_dict()
    assert all(torch.equal(found[name], one) for name, one in without.state_dict().items())


def test_what_is_strange_missing_or_inconsistent_is_named(weights: dict[str, Tensor]) -> None:
    with pytest.raises(InputError, match=r"1 weights are not of a released.*text_encoder\.x"):
        converted({**weights, "text_encoder.x": torch.ones(1)})
    with pytest.raises(InputError, match=r"weights missing \(1\): tagging\.bias"):
        converted({name: w for name, w in weights.items() if name != "fc.b"})
    twin = "tag_encoder.encoder.layer.0.output.dense.bias"
    with pytest.raises(InputError, match=r"differs from its twin"):
        converted({**weights, twin: weights[twin] + 1})
    tied = "text_decoder.cls.predictions.decoder.weight"
    with pytest.raises(InputError, match=r"differs from its twin"):
        converted({**weights, tied: weights[tied] + 1})
    with pytest.raises(InputError, match=r"has 5 labels, the vocabulary 6"):
        convert_weights(weights, classes=6, config=SMALL)
    with pytest.raises(InputError, match=r"has 0 labels"):
        converted({})


def test_another_image_size_resizes_the_position_tables(weights: dict[str, Tensor]) -> None:
    weights[TABLE] = torch.tensor([[0.5, -2.0]]).expand(9, 2)
    network = converted(weights, image_size=160)
    table = network.state_dict()["image_encoder.backbone." + TABLE.partition(".")[2]]
    assert table.shape == (81, 2)  # window 5
    assert torch.allclose(table, torch.tensor([0.5, -2.0]))
    with torch.no_grad():
        assert network.image_encoder(torch.zeros(1, 3, 160, 160)).shape[1] == 1 + 10 * 10


def test_resizing_keeps_the_centre_and_the_order(weights: dict[str, Tensor]) -> None:
    rising = torch.arange(9.0)
    weights[TABLE] = torch.stack((rising, -rising), 1)
    table = converted(weights, image_size=96).state_dict()[
        "image_encoder.backbone." + TABLE.partition(".")[2]
    ]
    assert torch.allclose(table[12], torch.tensor([4.0, -4.0]), atol=1e-5)
    assert (table[:, 0].view(5, 5).diff(dim=0) > 0).all()
    assert torch.allclose(table[:, 0], -table[:, 1])


def test_checkpoint_file(weights: dict[str, Tensor], tmp_path: Path) -> None:
    torch.save({"model": weights, "epoch": 1}, tmp_path / "a.pth")
    assert sorted(read_released(tmp_path / "a.pth")) == sorted(weights)
    torch.save(weights, tmp_path / "bare.pth")
    assert sorted(read_released(tmp_path / "bare.pth")) == sorted(weights)
    torch.save({"epoch": 1}, tmp_path / "other.pth")
    with pytest.raises(InputError, match="no weights under 'model'"):
        read_released(tmp_path / "other.pth")


def test_tag_list(tmp_path: Path) -> None:
    path = tmp_path / "tag_list.txt"
    path.write_text("orange\nman\nrun\norange", encoding="utf-8")
    made = read_tag_list(path, (2, 1, 1))
    assert made.tags == (
        Tag("object", "orange"),
        Tag("object", "man"),
        Tag("action", "run"),
        Tag("attribute", "orange"),
    )
    assert [entry.threshold for entry in made.entries] == [None, 0.7, None, None]


def test_tag_list_without_blocks(tmp_path: Path) -> None:
    path = tmp_path / "tag_list.txt"
    path.write_text("dog\r\ncat\r\n", encoding="utf-8")
    assert read_tag_list(path).tags == (Tag("object", "dog"), Tag("object", "cat"))
    path.write_text("dog\ndog\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"is class 0 and class 1.*\(--blocks\)"):
        read_tag_list(path)


@pytest.mark.parametrize("blocks", [(1, 1), (1, 1, 1), (2, 1, 0)])
def test_blocks_that_do_not_add_up(blocks: tuple[int, ...], tmp_path: Path) -> None:
    path = tmp_path / "tag_list.txt"
    path.write_text("dog\ncat\n", encoding="utf-8")
    with pytest.raises(InputError, match="has 2 tags; the sizes of its blocks"):
        read_tag_list(path, blocks)


def test_tag_list_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_tag_list(tmp_path / "none.txt")
    (tmp_path / "latin.txt").write_bytes(b"caf\xe9\n")
    with pytest.raises(InputError, match="not UTF-8"):
        read_tag_list(tmp_path / "latin.txt")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("fc.W", torch.tensor(1.0)),
        ("fc.W", torch.zeros(0, 5, 128)),
        ("label_embed.weight", torch.tensor(1.0)),
        (TABLE, torch.zeros(150, 2)),
        (TABLE, torch.zeros(0, 2)),
        (TABLE, torch.tensor(1.0)),
        (TABLE, torch.zeros(9, 2, 2)),
        ("text_decoder.cls.predictions.decoder.weight", torch.zeros(3, 3)),
    ],
)
@pytest.mark.parametrize("size", [None, 96])
def test_odd_shapes_are_refused(
    weights: dict[str, Tensor], name: str, value: Tensor, size: int | None
) -> None:
    assert name in weights
    with pytest.raises(InputError):
        convert_weights({**weights, name: value}, classes=5, config=SMALL, image_size=size)


@pytest.mark.parametrize(
    "content",
    [
        {5: torch.ones(1)},
        {"fc.b": 1.0},
        {"fc.b": torch.ones(1, 5).to_sparse()},
        {"fc.b": torch.ones(1, 5, device="meta")},
    ],
)
def test_what_are_no_plain_weights_is_refused(
    content: dict[object, object], tmp_path: Path
) -> None:
    torch.save({"model": content}, tmp_path / "a.pth")
    with pytest.raises(InputError, match="no weights under 'model'"):
        read_released(tmp_path / "a.pth")


def test_tag_list_of_another_editor(tmp_path: Path) -> None:
    path = tmp_path / "tag_list.txt"
    path.write_bytes(b"\xef\xbb\xbfdog\r\ncat\r\n")
    assert [tag.tag for tag in read_tag_list(path).tags] == ["dog", "cat"]
    path.write_text("dog\n\ncat\n")
    with pytest.raises(InputError, match=r"tag_list\.txt:2: is empty"):
        read_tag_list(path)
