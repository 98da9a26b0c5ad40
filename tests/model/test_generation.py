from __future__ import annotations

from copy import deepcopy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from benchmarks.captioning import Forgetful, with_decoder
from model.generation import (
    Caption,
    _Rules,
    _sampled,
    _search,
    encode_guidance,
    generate,
    read_guidance,
)
from model.network import Network
from model.released_names import our_name
from model.tokenizer import Tokens
from tests.model.texts import small_images, small_network, small_tokenizer
from vocab.errors import InputError

TAGS = [["dog"], ["cat", "red", "sofa"], [], ["woman", "piano", "old", "play"], ["grass"]]
SHORT = {"min_tokens": 5, "max_tokens": 20}


def tags_of(count: int) -> Tokens:
    return small_tokenizer().encode_tags(TAGS[:count])


def captions(network: Network, image: Tensor, tags: Tokens, **how: object) -> list[Caption]:
    return generate(network, image, *tags, small_tokenizer(), **{**SHORT, **how})  # type: ignore[arg-type]


def assert_same(found: list[Caption], expected: list[Caption]) -> None:
    assert [one.text for one in found] == [one.text for one in expected]
    assert [one.score for one in found] == pytest.approx([o.score for o in expected], abs=1e-4)


@torch.no_grad()
def plain_greedy(network: Network, image: Tensor, tags: Tokens, length: int) -> Caption:
    """One image, the whole sequence anew at each word, the most probable word always."""
    tokenizer = small_tokenizer()
    states, mask = encode_guidance(network, image, *tags)
    words = tokenizer.encode_prompt()
    start, total = len(words), 0.0
    while words[-1] != tokenizer.sep and len(words) < length:
        hidden, _ = network.decoder(torch.tensor([words]), network.decoder.look_up(states), mask)
        scores = network.decoder.logits(hidden[0, -1]).log_softmax(-1)
        scores[list(tokenizer.reserved)] = -torch.inf
        if len(words) < SHORT["min_tokens"]:
            scores[tokenizer.sep] = -torch.inf
        words.append(int(scores.argmax()))
        total += float(scores.max())
    return Caption(tokenizer.decode(words[start:]), total / (len(words) - start))


@pytest.mark.parametrize("seed", range(6))
def test_one_beam_is_greedy(seed: int) -> None:
    network, image = small_network(seed), small_images(5, seed)
    found = captions(network, image, tags_of(5))
    rows = [small_tokenizer().encode_tags([row]) for row in TAGS]
    assert_same(
        found, [plain_greedy(network, image[i : i + 1], row, 20) for i, row in enumerate(rows)]
    )
    assert len({len(one.text) for one in found}) > 1  # or lengths would not be tried


@settings(max_examples=10)
@given(
    seed=st.integers(0, 9),
    order=st.permutations(range(5)),
    how=st.sampled_from([{}, {"beams": 3}, {"nucleus": 0.8, "seed": 3}]),
)
def test_captions_do_not_depend_on_their_batch(
    seed: int, order: list[int], how: dict[str, object]
) -> None:
    network, image = small_network(seed), small_images(5, seed)
    together = captions(
        network, image[order], small_tokenizer().encode_tags([TAGS[i] for i in order]), **how
    )
    alone = [
        captions(network, image[i : i + 1], small_tokenizer().encode_tags([TAGS[i]]), **how)[0]
        for i in order
    ]
    assert_same(together, alone)


@pytest.mark.parametrize("how", [{}, {"beams": 4}, {"nucleus": 0.9}])
@pytest.mark.parametrize("seed", range(3))
def test_cached_equals_uncached(seed: int, how: dict[str, object]) -> None:
    network, image = small_network(seed), small_images(5, seed)
    slow = with_decoder(network, Forgetful)
    assert_same(
        captions(network, image, tags_of(5), **how), captions(slow, image, tags_of(5), **how)
    )


def peer_of(network: Network):  # type: ignore[no-untyped-def]
    """Hugging Face's decoder with the same weights: the released names are its names."""
    from transformers import BertConfig, BertLMHeadModel

    config = network.config
    peer = BertLMHeadModel(
        BertConfig(
            vocab_size=config.words,
            hidden_size=config.width,
            num_hidden_layers=config.layers,
            num_attention_heads=config.heads,
            intermediate_size=config.feed_forward,
            max_position_embeddings=config.positions,
            is_decoder=True,
            add_cross_attention=True,
        )
    ).eval()
    own = network.state_dict()
    with torch.no_grad():
        for name, weight in peer.named_parameters():
            types = "token_type" in name  # ours, as the release, knows no types
            weight.copy_(torch.zeros(()) if types else own[str(our_name(f"text_decoder.{name}"))])
    return peer


@pytest.mark.parametrize("padding", [False, True], ids=["masked", "padding attended"])
@pytest.mark.parametrize("beams", [1, 3, 5])
def test_search_equals_the_field_s(beams: int, padding: bool) -> None:
    tokenizer = small_tokenizer()
    for seed in range(4):
        network = small_network(seed, attend_padding=padding)
        image, tags = small_images(5, seed), tags_of(5)
        with torch.no_grad():
            states, mask = encode_guidance(network, image, *tags)
            found = peer_of(network).generate(
                torch.tensor([tokenizer.encode_prompt()] * 5),
                encoder_hidden_states=states,
                encoder_attention_mask=mask,
                num_beams=beams,
                min_length=SHORT["min_tokens"],
                max_length=SHORT["max_tokens"],
                do_sample=False,
                suppress_tokens=list(tokenizer.reserved),
                use_cache=False,
                eos_token_id=tokenizer.sep,
                pad_token_id=tokenizer.pad,
                output_scores=True,
                return_dict_in_generate=True,
            )
        own = captions(network, image, tags, beams=beams)
        start = len(tokenizer.encode_prompt())
        texts = [tokenizer.decode(row[start:].tolist()) for row in found.sequences]
        assert [one.text for one in own] == texts
        if beams > 1:
            scores = found.sequences_scores.tolist()
            assert [one.score for one in own] == pytest.approx(scores, abs=1e-4)


def test_a_tiny_share_is_greedy_and_seeds_differ() -> None:
    network, image, tags = small_network(0), small_images(5), tags_of(5)
    greedy = captions(network, image, tags)
    assert_same(captions(network, image, tags, nucleus=1e-6, seed=9), greedy)
    drawn = [captions(network, image, tags, nucleus=0.9, seed=seed) for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1]
    assert drawn[0] != drawn[2]


def test_draws_follow_the_share() -> None:
    chances = torch.tensor([0.1, 0.4, 0.05, 0.3, 0.15])
    scores = chances.log()[None, None]
    random = torch.Generator().manual_seed(0)
    places = [int(_sampled(scores, share=0.75, random=random)[1]) for _ in range(4000)]
    counts = torch.bincount(torch.tensor(places), minlength=5) / 4000
    expected = torch.tensor([0, 0.4, 0, 0.3, 0.15]) / 0.85  # the least that reach the share
    torch.testing.assert_close(counts, expected, atol=0.03, rtol=0)


@pytest.mark.parametrize("how", [{}, {"beams": 3}, {"nucleus": 0.9}])
@pytest.mark.parametrize("least, most", [(5, 9), (14, 20)])
def test_lengths(least: int, most: int, how: dict[str, object]) -> None:
    tokenizer, seen = small_tokenizer(), set()
    for seed in range(4):
        network = small_network(seed)
        words = torch.tensor([tokenizer.encode_prompt()] * 5)
        rules = {"beams": 1, "nucleus": None, "seed": 0, **how}
        found = _search(
            network.decoder,
            read_guidance(network, small_images(5), *tags_of(5)),
            words,
            tokenizer,
            _Rules(min_tokens=least, max_tokens=most, **rules),  # type: ignore[arg-type]
        )
        rows = found.words[:, 0].tolist()
        seen |= {row.index(tokenizer.sep) if tokenizer.sep in row else most for row in rows}
    assert least <= min(seen) <= max(seen) <= most  # tokens before [SEP]


@pytest.mark.parametrize("how", [{}, {"beams": 3}, {"nucleus": 0.9}])
def test_reserved_words_are_never_chosen(how: dict[str, object]) -> None:
    tokenizer, network = small_tokenizer(), deepcopy(small_network(0))
    named = [tokenizer.words[i] for i in tokenizer.reserved]
    assert {"[PAD]", "[UNK]", "[MASK]", "[CLS]", "[DEC]", "[ENC]"} < {*named}
    assert "[SEP]" not in named and sum("unused" in word for word in named) > 0
    with torch.no_grad():
        network.decoder.bias[list(tokenizer.reserved)] += 100
    found = captions(network, small_images(5), tags_of(5), **how)
    assert all(one.text and "[" not in one.text for one in found)


def test_released_padding_is_attended_to() -> None:
    network = small_network(0, attend_padding=True)
    image, tags = small_images(5), tags_of(5)
    states, mask = encode_guidance(network, image, *tags)
    assert mask is None
    assert states.shape == (5, network.config.max_tag_tokens, network.config.width)
    padded = small_tokenizer().encode_tags(TAGS, pad_to=network.config.max_tag_tokens)
    torch.testing.assert_close(states, network.interaction(*padded, image))
    masked = captions(small_network(0), image, tags)
    assert captions(network, image, tags) != masked


def test_tags_change_the_caption() -> None:
    network, image = small_network(0), small_images(1).expand(5, -1, -1)
    assert len({one.text for one in captions(network, image, tags_of(5))}) > 1


@pytest.mark.parametrize(
    "how, message",
    [
        ({"beams": 0}, "beams 0"),
        ({"nucleus": 1.5}, "nucleus 1.5"),
        ({"nucleus": 0.9, "beams": 3}, "one beam"),
        ({"min_tokens": 21}, "min_tokens 21"),
        ({"max_tokens": 65}, "64 positions"),
        ({"min_tokens": 1, "max_tokens": 2}, "the prompt has"),
    ],
)
def test_what_cannot_be_meant_is_refused(how: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        captions(small_network(0), small_images(1), tags_of(1), **how)


def test_no_images_no_captions() -> None:
    assert captions(small_network(0), small_images(0), tags_of(0)) == []
