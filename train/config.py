"""How to train: plain data; every field is a flag of ``tag2text train``, and nothing else is."""
# ruff: noqa: RUF009 (defaults are plain values; the call adds what the command line says of them)

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Final, Literal, get_args

from vocab.errors import UsageError

TaskName = Literal["pretrain", "tagging", "caption", "retrieval", "vqa"]
Schedule = Literal["paper", "cosine"]
Reader = Literal["indexed", "webdataset"]
Precision = Literal["bf16", "float32"]

# The named losses of each task, and what each weighs in their sum.
WEIGHTS: Final[Mapping[TaskName, Mapping[str, float]]] = {
    "pretrain": {"tagging": 1.0, "generation": 1.0, "contrast": 1.0, "matching": 1.0},
    "tagging": {"tagging": 1.0},
    "caption": {"tagging": 1.0, "generation": 1.0},
    "retrieval": {"contrast": 1.0, "matching": 1.0},
    "vqa": {"answer": 1.0},
}


def _flag(default: Any, help_: str, **checks: float) -> Any:
    return field(default=default, metadata={"help": help_, "checks": checks})


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainConfig:
    """What is trained, on what, how, and what is written; the defaults are the paper's.

    Sizes of batches are of one process; ``accumulate`` of them make one step. A step has one
    number everywhere, from 1. :class:`UsageError` for values that cannot be meant.
    """

    output: str = _flag("", "Directory for checkpoints, the log and the model.")
    train_data: tuple[str, ...] = _flag((), "Labelled shards: directory, tars, 'a::b', {00..41}.")
    validation_data: tuple[str, ...] = _flag((), "Labelled shards to validate on.")
    train_described_by: str = _flag("", "Directory that describes shards behind a pipe:.")
    reader: Reader = _flag("indexed", "indexed resumes exactly; webdataset reads stores, pipes.")
    workers: int = _flag(4, "Data processes of each process.", min=0)
    max_bad_ratio: float = _flag(0.01, "Share of unusable samples to stop at.", min=0, max=1)
    augment: bool = _flag(True, "Crops and RandAugment, beside flips.")

    preset: str = _flag("base", "tiny, base or base-384: sizes, and defaults of these flags.")
    model_config: str = _flag("", "A config.json with other sizes than the preset's.")
    init: str = _flag("", "A model to go on from; common tags keep what was learned.")
    pretrained: bool = _flag(False, "Begin with timm's ImageNet weights (downloads).")
    tokenizer: str = _flag("", "vocab.txt; default: bert-base-uncased, tiny learns its own.")

    task: TaskName = _flag("pretrain", "pretrain, or fine-tune: tagging, caption, retrieval, vqa.")
    weights: str = _flag("", "Of losses: tagging=1,generation=1,contrast=1,matching=1; 0 is off.")
    tagging_loss: str = _flag("asl", "asl, bce, hill or splc.")
    top_queries: int = _flag(0, "Labels an image whose gradient is kept; 0: all, exact.", min=0)
    queue: int = _flag(0, "Pairs that a momentum encoder's queue holds; 0: none.", min=0)
    recognised: float = _flag(
        0.5, "Share of captions guided by recognised tags (task caption).", min=0, max=1
    )

    batch_size: int = _flag(120, "Images a process.", min=1)
    accumulate: int = _flag(1, "Batches a step.", min=1)
    epochs: int = _flag(20, "Times through the data.", min=1)
    steps: int = _flag(0, "Steps; 0: as many as the epochs have.", min=0)
    lr: float = _flag(1e-4, "Highest learning rate.", min=0)
    min_lr: float = _flag(5e-7, "Lowest learning rate after the warm-up.", min=0)
    warmup: int = _flag(3000, "Steps of the linear warm-up.", min=0)
    schedule: Schedule = _flag("paper", "paper: x 0.9 an epoch; cosine: to the lowest at the end.")
    weight_decay: float = _flag(0.05, "None on norms and biases.", min=0)
    clip: float = _flag(1.0, "Longest gradient; 0: any.", min=0)
    ema: float = _flag(0.0, "Share of old weights in an average of all steps'; 0: none.", min=0)

    resume: str = _flag("", "latest, or a checkpoint's directory.")
    seed: int = _flag(0, "Of weights, order and draws.", min=0)
    precision: Precision = _flag("bf16", "bf16 acts on CUDA only.")
    compile: bool = _flag(False, "torch.compile the image encoder.")
    log_every: int = _flag(50, "Steps.", min=1)
    save_every: int = _flag(1000, "Steps; validates, too.", min=1)
    keep: int = _flag(3, "Newest checkpoints to keep.", min=1)
    best_by: str = _flag("", "What best/ is chosen by: mAP or a loss; default: mAP, or the sum.")
    tensorboard: bool = _flag(False, "Log for TensorBoard, too.")
    wandb: str = _flag("", "Project on Weights & Biases to log to, too.")

    def __post_init__(self) -> None:
        for one in fields(self):
            _check(one.name, getattr(self, one.name), one.metadata["checks"])
        for name, choices in _CHOICES.items():
            if getattr(self, name) not in choices:
                value = getattr(self, name)
                raise UsageError(f"{flag(name)} {value!r}: choose {', '.join(choices)}")
        if not self.output or not self.train_data:
            raise UsageError("say with --output where to write and with --train-data what to read")
        if self.ema >= 1 or self.min_lr > self.lr:
            raise UsageError("--ema must be less than 1, --min-lr at most --lr")
        if self.init and (self.model_config or self.pretrained or self.tokenizer):
            raise UsageError("--init brings sizes, weights and tokenizer: leave the others out")
        if not any(self.loss_weights().values()):
            raise UsageError(f"--weights {self.weights}: at least one loss must weigh something")

    def loss_weights(self) -> dict[str, float]:
        """Return what each of the task's losses weighs; those not given weigh their default."""
        weights = dict(WEIGHTS[self.task])
        for part in filter(None, self.weights.split(",")):
            name, _, value = part.partition("=")
            if name not in weights:
                raise UsageError(f"--weights {part}: task {self.task} has {', '.join(weights)}")
            try:
                weights[name] = float(value)
            except ValueError as error:
                raise UsageError(f"--weights {part}: a number is needed, {name}=1") from error
            if not 0 <= weights[name] < float("inf"):
                raise UsageError(f"--weights {part}: a weight is 0 or more")
        return weights

    def to_json(self) -> str:
        """Return the configuration as JSON text."""
        return json.dumps(asdict(self), indent=2) + "\n"


_CHOICES: Final[Mapping[str, tuple[str, ...]]] = {
    "task": get_args(TaskName),
    "schedule": get_args(Schedule),
    "reader": get_args(Reader),
    "precision": get_args(Precision),
    "tagging_loss": ("asl", "bce", "hill", "splc"),
}

PRESETS: Final[Mapping[str, Mapping[str, Any]]] = {
    "base": {},
    "base-384": {"batch_size": 36, "epochs": 10, "lr": 1e-5, "warmup": 0, "schedule": "cosine"},
    "tiny": {
        "augment": False,
        # The tagging loss is a sum over classes, and tiny is for few: beside it the others, of one
        # size whatever the classes, would lead.
        "weights": "generation=0.3,contrast=0.3,matching=0.1",
        "batch_size": 32,
        "workers": 1,
        "lr": 1.5e-3,
        "min_lr": 1e-5,
        "warmup": 50,
        "schedule": "cosine",
        "log_every": 10,
        "save_every": 200,
    },
}


def train_config(preset: str = "base", **given: Any) -> TrainConfig:
    """Return a preset's configuration with what was given in its place; ``None`` is not given.

    A preset's weights are those of pre-training.
    """
    if preset not in PRESETS:
        raise UsageError(f"--preset {preset}: choose one of {', '.join(PRESETS)}")
    defaults = dict(PRESETS[preset])
    if given.get("task") not in (None, "pretrain"):
        defaults.pop("weights", None)
    chosen = {name: value for name, value in given.items() if value is not None}
    return TrainConfig(preset=preset, **{**defaults, **chosen})


def flag(name: str) -> str:
    """Return how the command line spells a field."""
    return "--" + name.replace("_", "-")


def changes(config: TrainConfig, before: Mapping[str, Any]) -> list[str]:
    """Return in words what differs from a saved configuration, but for where things are.

    :class:`UsageError` for what a run cannot change on its way.
    """
    now = json.loads(config.to_json())
    names = [n for n in now if n not in _PLACES and n in before and before[n] != now[n]]
    for name in names:
        if name in _FIXED:
            raise UsageError(
                f"cannot resume: {flag(name)} was {before[name]!r}, is {now[name]!r}; leave it, or "
                "begin a new run with --init"
            )
    return [f"{flag(name)} {before[name]} -> {now[name]}" for name in names]


_PLACES: Final = frozenset(
    ("output", "resume", "train_data", "validation_data", "workers", "init", "model_config")
)
_FIXED: Final = frozenset(("preset", "tokenizer", "task", "queue", "seed", "reader"))


def _check(name: str, value: Any, checks: Mapping[str, float]) -> None:
    low, high = checks.get("min", float("-inf")), checks.get("max", float("inf"))
    if isinstance(value, int | float) and not low <= value <= high:
        allowed = f"{low:g} or more" if high == float("inf") else f"{low:g} to {high:g}"
        raise UsageError(f"{flag(name)} {value}: must be {allowed}")
