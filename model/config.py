"""What a model is made of: plain data, written as ``config.json`` beside the weights."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Final, Literal, get_args

from vocab.errors import InputError

LARGEST: Final = 1 << 20
LAYERS: Final = 1000
TaggingKind = Literal["shared", "unshared", "linear"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelConfig:
    """Sizes and choices of a Tag2Text model; the defaults are the paper's (Appendix A.1).

    ``image_encoder`` is a timm model, ``image_options`` go to it as they are. ``tagging`` is the
    head of the paper's Table 11: a decoder whose layers are shared with the interaction encoder
    (as released), one with layers of its own, or a full connection. ``attend_padding`` repeats
    what the released decoder does: it attends to the padding of the tags too. ``alignment`` adds
    the text encoder of the alignment task, which was never released.
    """

    image_encoder: str = "swin_base_patch4_window7_224"
    image_options: Mapping[str, Any] = field(default_factory=dict)
    image_size: int = 224
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    words: int = 30524
    positions: int = 512
    width: int = 768
    heads: int = 12
    layers: int = 12
    feed_forward: int = 3072
    dropout: float = 0.1
    tagging: TaggingKind = "shared"
    tag_layers: int = 2
    tag_heads: int = 4
    max_tag_tokens: int = 40
    max_caption_tokens: int = 40
    prompt: str = "a picture of"
    attend_padding: bool = False
    alignment: bool = True
    alignment_layers: int = 12
    projection: int = 256

    def __post_init__(self) -> None:
        _check_range(self)
        if self.tagging not in get_args(TaggingKind):
            raise InputError(f"tagging {self.tagging!r}: choose {', '.join(get_args(TaggingKind))}")
        for name, heads in (("heads", self.heads), ("tag_heads", self.tag_heads)):
            if self.width % heads:
                raise InputError(f"width {self.width} does not divide by {name} {heads}")
        if self.tagging == "shared" and self.tag_layers > self.layers:
            raise InputError(f"{self.tag_layers} shared tag_layers need as many layers")
        if self.alignment and self.alignment_layers > self.layers:
            raise InputError(
                "the alignment encoder shares the decoder's cross-attention layers, "
                f"so alignment_layers is at most {self.layers}"
            )

    def to_json(self) -> str:
        """Return the configuration as JSON text; :func:`from_json` is its inverse."""
        return json.dumps(asdict(self), indent=2, sort_keys=True) + "\n"


PRESETS: Final[Mapping[str, Mapping[str, Any]]] = {
    "base": {},
    "base-384": {"image_encoder": "swin_base_patch4_window12_384", "image_size": 384},
    "vit-base": {"image_encoder": "vit_base_patch16_224"},
    "tiny": {
        "image_encoder": "convnext_atto",
        "image_options": {
            "depths": [1, 1, 2, 1],
            "dims": [48, 96, 192, 256],
            "kernel_sizes": 5,
            "ls_init_value": None,
            "stem_type": "overlap_act",
        },
        "image_size": 64,
        "words": 2048,
        "positions": 64,
        "width": 128,
        "heads": 4,
        "layers": 1,
        "feed_forward": 256,
        "dropout": 0.0,
        "tag_layers": 1,
        "tag_heads": 8,
        "alignment_layers": 1,
        "projection": 64,
    },
}


def preset(name: str, **changes: Any) -> ModelConfig:
    """Return a named configuration: ``tiny``, ``base``, ``base-384`` or ``vit-base``."""
    if name not in PRESETS:
        raise InputError(f"preset {name!r}: choose one of {', '.join(PRESETS)}")
    return ModelConfig(**{**PRESETS[name], **changes})


def from_json(text: str) -> ModelConfig:
    """Return the configuration that the text holds; unknown or missing names are refused."""
    try:
        values = json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(f"config.json is not JSON ({error.msg}, line {error.lineno})") from error
    except (ValueError, RecursionError) as error:  # thousands of digits, or of levels
        raise InputError(f"config.json is too odd to be a model's ({error})") from error
    known = {f.name for f in fields(ModelConfig)}
    if not isinstance(values, dict) or set(values) != known:
        odd = sorted(known ^ set(values)) if isinstance(values, dict) else ["not an object"]
        raise InputError(f"config.json is not of this version of the model: {', '.join(odd)[:200]}")
    return ModelConfig(**{name: _typed(name, value) for name, value in values.items()})


def _typed(name: str, value: Any) -> Any:
    """Return a value of ``config.json`` where it has the type of the field's default."""
    usual = getattr(ModelConfig(), name)
    if isinstance(usual, tuple):
        fine = isinstance(value, list) and len(value) == 3 and all(map(_is_number, value))
        value = tuple(value) if fine else value
    elif isinstance(usual, float):
        fine = _is_number(value)
    else:
        fine = type(value) is type(usual)
    if not fine:
        raise InputError(f"config.json: {name} is {str(value)[:40]!r}, not like {usual!r}")
    return value


def _is_number(value: object) -> bool:
    return type(value) in (int, float) and abs(value) <= sys.float_info.max  # type: ignore[arg-type]


def _check_range(config: ModelConfig) -> None:
    """Refuse sizes that no network has: what a hand-edited file may hold."""
    for name, value in asdict(config).items():
        if type(value) is int and not 1 <= value <= (LAYERS if "layers" in name else LARGEST):
            raise InputError(f"{name} {value}: take 1 or more, and no more than a network has")
    if not 0 <= config.dropout < 1:
        raise InputError(f"dropout {config.dropout:g}: a share is 0 or more and below 1")
    if min(config.std) <= 0:
        raise InputError("std: pixels are divided by it, so each of the three is above 0")
    longest = max(config.max_tag_tokens, config.max_caption_tokens)
    if longest > config.positions:
        raise InputError(f"{longest} tokens need as many positions, not {config.positions}")
