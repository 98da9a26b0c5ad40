"""The dataset card of a directory of labelled shards."""

from __future__ import annotations

from typing import Final

from pipeline.job import Summary
from vocab.graph import KINDS
from vocab.vocabulary import Vocabulary

_SIZES: Final = (
    (1_000, "n<1K"),
    (10_000, "1K<n<10K"),
    (100_000, "10K<n<100K"),
    (1_000_000, "100K<n<1M"),
    (10_000_000, "1M<n<10M"),
)
_CARD: Final = """\
---
pretty_name: {source}, images with captions and tags
task_categories:
- image-classification
- image-to-text
size_categories:
- {size}
tags:
- webdataset
- image-tagging
- multi-label
---

# {source}: images with captions and tags

{samples:,} images in WebDataset shards, labelled from their own captions with a vocabulary
of {classes:,} tags (`vocabulary/`, fingerprint `{fingerprint}`).

| what | count |
| --- | ---: |
{counts}

## Read it

```python
import numpy as np, webdataset as wds
shards = "{first}"
classes = open("vocabulary/tag_list.txt").read().splitlines()
for sample in wds.WebDataset(shards, shardshuffle=False).decode("pil"):
    hot = np.unpackbits(sample["labels.npy"], bitorder="little")[:len(classes)]
    print(sample["json"]["captions"], [classes[i] for i in np.flatnonzero(hot)])
```

## What is in a shard

- `<key>.jpg` (or `.png`, `.webp`): the image.
- `<key>.json`: `captions`; `tags`, the class ids of each caption; `source`; `url`.
- `<key>.labels.npy`: the classes of any caption as bits (`numpy.packbits`, little bit order).
- Beside each tar: `.parquet`, one row a sample; `.index`, where each member lies, in the form
  of NVIDIA DALI's `wds2idx`; `_stats.json`, counts and digests.
- `sizes.json`: samples per shard. `bad/`: what was left out, and why.

The captions and the images belong to their authors; ask the source for its terms.
Tags follow from captions: what no caption names is not labelled, though it may be in the image.
"""


def dataset_card(*, source: str, vocabulary: Vocabulary, summary: Summary) -> str:
    """Return the card as Markdown with YAML front matter, the same text for the same shards."""
    last = max(summary.shards - 1, 0)
    return _CARD.format(
        source=source,
        size=next((name for limit, name in _SIZES if summary.rows < limit), "n>10M"),
        samples=summary.rows,
        classes=len(vocabulary),
        fingerprint=vocabulary.fingerprint[:16],
        counts="\n".join(f"| {name} | {count:,} |" for name, count in _counts(summary)),
        first=f"{source}-{{000000..{last:06d}}}.tar",
    )


def _counts(summary: Summary) -> list[tuple[str, int]]:
    counts = summary.counts
    return [
        ("shards", summary.shards),
        ("images", summary.rows),
        ("captions", counts["captions"]),
        ("labels", counts["labels"]),
        *((f"labels, {kind}", counts[f"{kind}_labels"]) for kind in KINDS),
        ("images without a label", counts["untagged"]),
        *((f"left out: {reason}", count) for reason, count in sorted(summary.bad.items())),
    ]
