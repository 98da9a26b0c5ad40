"""Visual question answering: question and tags meet the image, the decoder answers (Appendix E)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor

from model.generation import Caption, Source, generate, read_guidance
from model.network import Network
from model.tokenizer import Tokenizer, Tokens
from vocab.errors import InputError

ROWS: Final = 128  # answers decoded at once, over all images: some 4 MB of keys and values each


def encode_questions(
    tokenizer: Tokenizer,
    questions: Sequence[str],
    tags: Sequence[Sequence[str]],
    *,
    max_tokens: int,
) -> Tokens:
    """Return ``[ENC] question | tag | tag ... [SEP]`` a row, for the interaction encoder."""
    if len(questions) != len(tags):
        raise InputError(f"{len(questions)} questions with {len(tags)} lists of tags: give as many")
    rows = [[question, *row] for question, row in zip(questions, tags, strict=True)]
    return tokenizer.encode_tags(rows, max_tokens=max_tokens)


def generate_answers(
    network: Network,
    image: Tensor,
    questions: Tokens,
    tokenizer: Tokenizer,
    *,
    beams: int = 3,
    max_tokens: int = 10,
) -> list[Caption]:
    """Return a free-form answer for each image (batch, tokens, image width) and its question."""
    return generate(
        network,
        image,
        *questions,
        tokenizer,
        prompt="",
        beams=beams,
        min_tokens=2,
        max_tokens=max_tokens,
    )


def best_answers(
    network: Network,
    image: Tensor,
    questions: Tokens,
    answers: Sequence[str],
    tokenizer: Tokenizer,
) -> list[Caption]:
    """Return the likeliest of the answers for each image, with its log-probability."""
    best, places = rank_answers(network, image, questions, answers, tokenizer).max(1)
    pairs = zip(places.tolist(), best.tolist(), strict=True)
    return [Caption(answers[place], score) for place, score in pairs]


@torch.no_grad()
def rank_answers(
    network: Network,
    image: Tensor,
    questions: Tokens,
    answers: Sequence[str],
    tokenizer: Tokenizer,
) -> Tensor:
    """Return log-probabilities (batch, answers): how likely the decoder gives each answer.

    The sum over the answer's tokens, ``[SEP]`` included, so an answer that begins another is
    scored fairly. What all share is read once an image.
    """
    if isinstance(answers, str):
        raise InputError(f"answers {answers!r}: give a list of them, such as [{answers!r}]")
    if not answers:
        raise InputError("no answers to rank; give a list of one or more")
    source = read_guidance(network, image, *questions)
    at_once = max(1, ROWS // max(1, len(image)))
    parts = [answers[start : start + at_once] for start in range(0, len(answers), at_once)]
    return torch.cat([_scores(network, source, part, tokenizer) for part in parts], 1)


def _scores(
    network: Network, source: Source, answers: Sequence[str], tokenizer: Tokenizer
) -> Tensor:
    """Return log-probabilities (batch, answers), one token of all the answers after the other."""
    longest = network.config.max_caption_tokens
    ids, mask = tokenizer.encode_captions(answers, prompt="", max_tokens=longest)
    batch, count = len(source.layers[0].keys), len(answers)
    device = source.layers[0].keys.device
    ids, mask = ids.to(device).repeat(batch, 1), mask.to(device).repeat(batch, 1)
    rows = torch.arange(batch, device=device).repeat_interleave(count)
    hidden, past = network.decoder(ids[::count, :1], *source)  # [DEC], once an image
    total = _next(network, hidden)[rows, ids[:, 1]]
    source, past = source.select(rows), [layer.select(rows) for layer in past]
    for place in range(1, ids.shape[1] - 1):
        hidden, past = network.decoder(ids[:, place, None], *source, past)
        found = _next(network, hidden).gather(1, ids[:, place + 1, None]).squeeze(1)
        total += found * mask[:, place + 1]
    return total.view(batch, count)


def _next(network: Network, hidden: Tensor) -> Tensor:
    return torch.log_softmax(network.decoder.logits(hidden[:, -1]).float(), -1)
