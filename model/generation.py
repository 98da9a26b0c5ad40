"""Captions from images and tags: greedy, beam search or nucleus sampling (paper, Section 3.4).

One loop does all three. The decoder keeps the keys and values of what it has read; images are
multiplied to beams after the interaction encoder, by index, so nothing is computed twice.

Lengths count as in the release: all tokens, ``[DEC]`` and the prompt included. The score of a
sequence is the mean log-probability of its generated tokens, the ending ``[SEP]`` included.
Reserved words (``[MASK]``, ``[unused7]``) are never chosen: a model that has learned little would.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from model.layers import LookedUp
from model.network import Network
from model.text import GenerationDecoder
from model.tokenizer import Tokenizer
from vocab.errors import InputError

# Running scores (batch, beams, words) to candidates: their scores and flat places (batch, n).
Choose = Callable[[Tensor], tuple[Tensor, Tensor]]


@dataclass(frozen=True, slots=True)
class Caption:
    """A caption without its prompt; ``score`` is its mean log-probability a token."""

    text: str
    score: float


class Source(NamedTuple):
    """What the decoder attends to, by layer, and a mask (batch, length) or ``None`` for all."""

    layers: LookedUp
    mask: Tensor | None

    def select(self, rows: Tensor) -> Source:
        """Return the given rows of the batch, in that order."""
        mask = None if self.mask is None else self.mask[rows]
        return Source([layer.select(rows) for layer in self.layers], mask)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rules:
    beams: int
    nucleus: float | None
    min_tokens: int
    max_tokens: int
    seed: int

    def __post_init__(self) -> None:
        if self.beams < 1:
            raise InputError(f"beams {self.beams}: take 1 (greedy) or more")
        if self.nucleus is not None and (self.beams > 1 or not 0 < self.nucleus <= 1):
            raise InputError(
                f"nucleus {self.nucleus:g} with {self.beams} beams: take a share above 0 and up "
                "to 1, and one beam"
            )
        if self.min_tokens > self.max_tokens:
            raise InputError(f"min_tokens {self.min_tokens} is above max_tokens {self.max_tokens}")

    def check_room(self, prompt: int, positions: int) -> None:
        if not prompt < self.max_tokens <= positions:
            raise InputError(
                f"max_tokens {self.max_tokens}: the prompt has {prompt} tokens, the model "
                f"{positions} positions; take a number between"
            )

    def choice(self) -> Choose:
        if self.nucleus is None:
            return partial(_best, count=2 * self.beams)
        return partial(
            _sampled, share=self.nucleus, random=torch.Generator().manual_seed(self.seed)
        )


class _Sequences(NamedTuple):
    """Token ids (batch, n, length) and their scores (batch, n)."""

    words: Tensor
    scores: Tensor

    def select(self, places: Tensor) -> _Sequences:
        rows = torch.arange(len(places), device=places.device)[:, None]
        return _Sequences(self.words[rows, places], self.scores[rows, places])


@torch.no_grad()
def generate(
    network: Network,
    image: Tensor,
    tag_ids: Tensor,
    tag_mask: Tensor,
    tokenizer: Tokenizer,
    *,
    prompt: str | None = None,
    beams: int = 1,
    nucleus: float | None = None,
    min_tokens: int = 10,
    max_tokens: int = 30,
    seed: int = 0,
) -> list[Caption]:
    """Return a caption for each image, given its tags; the network is in evaluation mode.

    ``image`` are image tokens (batch, tokens, image width), ``tag_ids`` and ``tag_mask`` (batch,
    length) come from :meth:`~model.tokenizer.Tokenizer.encode_tags`. ``prompt`` is the
    configuration's by default. Without ``nucleus`` it is beam search, greedy with one beam, that
    ends as Hugging Face's does by default; with it, words are drawn from the most probable ones
    that make up that share. A caption does not depend on the batch that its image stands in: with
    ``nucleus`` all images draw from the same stream of ``seed``.
    """
    lengths = {"min_tokens": min_tokens, "max_tokens": max_tokens}
    rules = _Rules(beams=beams, nucleus=nucleus, seed=seed, **lengths)
    start = tokenizer.encode_prompt(network.config.prompt if prompt is None else prompt)
    rules.check_room(len(start), network.config.positions)
    if not len(image):
        return []
    source = read_guidance(network, image, tag_ids, tag_mask)
    words = torch.tensor(start, device=image.device).expand(len(image), -1)
    found = _search(network.decoder, source, words, tokenizer, rules)
    texts = (tokenizer.decode(row[len(start) :]) for row in found.words[:, 0].tolist())
    return [Caption(*pair) for pair in zip(texts, found.scores[:, 0].tolist(), strict=True)]


def encode_guidance(
    network: Network, image: Tensor, tag_ids: Tensor, tag_mask: Tensor
) -> tuple[Tensor, Tensor | None]:
    """Return the interaction encoder's states (batch, length, width) and the decoder's mask.

    With ``attend_padding``, as released, tags are padded to ``max_tag_tokens`` and the mask is
    ``None``: the decoder attends to the padding too.
    """
    tag_ids, tag_mask = tag_ids.to(image.device), tag_mask.to(image.device)
    if not network.config.attend_padding:
        return network.interaction(tag_ids, tag_mask, image), tag_mask
    room = (0, max(0, network.config.max_tag_tokens - tag_ids.shape[1]))
    ids, mask = F.pad(tag_ids, room), F.pad(tag_mask, room)  # [PAD] is 0 in every BERT
    return network.interaction(ids, mask, image), None


def read_guidance(network: Network, image: Tensor, tag_ids: Tensor, tag_mask: Tensor) -> Source:
    """Return what the decoder looks up of an image and its tags."""
    states, mask = encode_guidance(network, image, tag_ids, tag_mask)
    return Source(network.decoder.look_up(states), mask)


class _Reader:
    """The decoder, what it attends to, and the state of the last word it read of each beam."""

    def __init__(
        self, decoder: GenerationDecoder, source: Source, words: Tensor, beams: int
    ) -> None:
        hidden, past = decoder(words, *source)
        rows = torch.arange(len(words), device=words.device).repeat_interleave(beams)
        self._decoder, self._beams = decoder, beams
        self._source, self._hidden = source.select(rows), hidden[rows, -1]
        self._past = [layer.select(rows) for layer in past]

    def logits(self) -> Tensor:
        """Return the scores of the next words, (batch, beams, words), in float32."""
        logits = self._decoder.logits(self._hidden).float()
        return logits.view(-1, self._beams, logits.shape[-1])

    def read(self, words: Tensor, parents: Tensor) -> None:
        """Read a word for each beam (batch, beams), which goes on from the beam ``parents``."""
        past = self._past
        if self._beams > 1:  # one beam always goes on from itself
            first = torch.arange(len(parents), device=parents.device)[:, None] * self._beams
            rows = (first + parents).flatten()
            past = [layer.select(rows) for layer in past]
        hidden, self._past = self._decoder(words.reshape(-1, 1), *self._source, past)
        self._hidden = hidden[:, -1]


def _search(
    decoder: GenerationDecoder, source: Source, prompt: Tensor, tokenizer: Tokenizer, rules: _Rules
) -> _Sequences:
    """Return finished sequences, the best first, that begin with a prompt (batch, length)."""
    choose, end = rules.choice(), tokenizer.sep
    never = torch.tensor(tokenizer.reserved, device=prompt.device)
    not_yet = torch.cat((never, torch.tensor([end], device=prompt.device)))
    reader = _Reader(decoder, source, prompt, rules.beams)
    running = _started(prompt, rules.beams)
    none = torch.full_like(running.scores, -torch.inf)
    finished = _Sequences(_filled(running.words, end, rules), none)
    open_ = torch.ones(len(prompt), dtype=torch.bool, device=prompt.device)
    for length in range(prompt.shape[1] + 1, rules.max_tokens + 1):
        barred = not_yet if length - 1 < rules.min_tokens else never  # it may not end too early
        follow = torch.log_softmax(reader.logits(), -1).index_fill(-1, barred, -torch.inf)
        candidates, parents = _extended(running, follow, choose)
        ends = (candidates.words[..., -1] == end) | (length == rules.max_tokens)
        generated = length - prompt.shape[1]
        ended = _Sequences(_filled(candidates.words, end, rules), candidates.scores / generated)
        finished = _kept(finished, ended, ends & open_[:, None])
        best, places = candidates.scores.masked_fill(ends, -torch.inf).topk(rules.beams)
        open_ &= best[:, 0] / generated > finished.scores[:, -1]  # can it still be among the best?
        if not open_.any():
            break
        running = candidates.select(places)
        reader.read(running.words[..., -1], parents.gather(1, places))
    return finished


def _started(prompt: Tensor, beams: int) -> _Sequences:
    """Return beams of the prompt alone; all but the first are void, or all would be the same."""
    scores = torch.full((len(prompt), beams), -torch.inf, device=prompt.device)
    scores[:, 0] = 0
    return _Sequences(prompt[:, None].expand(-1, beams, -1), scores)


def _extended(running: _Sequences, follow: Tensor, choose: Choose) -> tuple[_Sequences, Tensor]:
    """Return the chosen sequences, one word longer, and the beams that they come from."""
    scores, places = choose(running.scores[..., None] + follow)
    parents, words = places // follow.shape[-1], places % follow.shape[-1]
    longer = torch.cat((running.select(parents).words, words[..., None]), -1)
    return _Sequences(longer, scores), parents


def _best(scores: Tensor, *, count: int) -> tuple[Tensor, Tensor]:
    best, places = scores.flatten(1).topk(count)
    return best, places


def _sampled(scores: Tensor, *, share: float, random: torch.Generator) -> tuple[Tensor, Tensor]:
    """Return one draw for each image from the most probable words that make up a share."""
    flat = scores.flatten(1)
    sorted_, order = torch.softmax(flat, -1).sort(descending=True)
    reached = sorted_.cumsum(-1)
    inside = reached - sorted_ < share
    point = torch.rand((), generator=random).item() * (sorted_ * inside).sum(-1, keepdim=True)
    rank = (reached <= point).sum(-1, keepdim=True).clamp(max=inside.sum(-1, keepdim=True) - 1)
    places = order.gather(1, rank)
    return flat.gather(1, places), places


def _filled(words: Tensor, end: int, rules: _Rules) -> Tensor:
    return F.pad(words, (0, rules.max_tokens - words.shape[-1]), value=end)


def _kept(finished: _Sequences, ended: _Sequences, valid: Tensor) -> _Sequences:
    """Return the best of both; what ended counts only where it stands among the first beams."""
    beams = finished.scores.shape[1]
    rank = torch.arange(valid.shape[1], device=valid.device)
    scores = ended.scores.masked_fill(~valid | (rank >= beams), -torch.inf)
    both = _Sequences(
        torch.cat((finished.words, ended.words), 1), torch.cat((finished.scores, scores), 1)
    )
    return both.select(both.scores.topk(beams).indices)
