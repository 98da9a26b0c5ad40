"""The card of a model directory: what lies there, and how to use it."""

from __future__ import annotations

from typing import Final

from model.network import Network
from vocab.vocabulary import Vocabulary

_TEXT: Final = """\
---
library_name: tag2text
tags: [image-tagging, image-captioning]
---
# A Tag2Text model

| | |
| --- | --- |
| image encoder | {encoder}, {size} px |
| parameters | {parameters:,} |
| vocabulary | {vocabulary} |
| tagging head | {tagging} |
| alignment | {alignment} |

```python
from tag2text import Tag2Text

model = Tag2Text.from_pretrained(".")
model.tag(["photo.jpg"])
model.caption(["photo.jpg"])
```

On the command line: `tag2text tag photo.jpg --model .`

`model.safetensors` holds each weight once and the fingerprint of the vocabulary, `config.json` the
sizes, `vocabulary/` the classes in the order of their ids, `tokenizer/` the words. One mean and
one standard deviation normalise the pixels, in training and after it: {mean} and {std}.
"""


def card(network: Network, vocabulary: Vocabulary) -> str:
    """Return the text of ``README.md``."""
    config = network.config
    return _TEXT.format(
        encoder=config.image_encoder,
        size=config.image_size,
        parameters=sum(p.numel() for p in network.parameters()),
        vocabulary=vocabulary.describe(),
        tagging=config.tagging,
        alignment="yes" if config.alignment else "no",
        mean=", ".join(map(str, config.mean)),
        std=", ".join(map(str, config.std)),
    )
