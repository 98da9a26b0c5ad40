from __future__ import annotations

import pytest
import torch

import model.answering
from model.answering import encode_questions, generate_answers, rank_answers
from model.generation import encode_guidance
from model.tokenizer import Tokens
from tests.model.texts import small_images, small_network, small_tokenizer
from vocab.errors import InputError

ANSWERS = ["yes", "no", "a dog", "a dog on the grass", "two"]
QUESTIONS = ["What is on the grass?", "How many cats?", "Is the sofa red?"]


def asked(count: int = 3) -> Tokens:
    tags = [["dog", "grass"], [], ["sofa", "red", "cat"]]
    return encode_questions(small_tokenizer(), QUESTIONS[:count], tags[:count], max_tokens=64)


def test_a_question_stands_before_its_tags() -> None:
    ids, _ = asked(1)
    assert int(ids[0, 0]) == small_tokenizer().enc
    assert small_tokenizer().decode(ids[0].tolist()) == "what is on the grass? | dog | grass"


def test_scores_are_sums_of_log_probabilities() -> None:
    network, image, tokenizer = small_network(1), small_images(3), small_tokenizer()
    found = rank_answers(network, image, asked(), ANSWERS, tokenizer)
    states, keep = encode_guidance(network, image, *asked())
    for column, answer in enumerate(ANSWERS):
        ids = tokenizer.encode_captions([answer], prompt="").ids.expand(3, -1)
        hidden, _ = network.decoder(ids[:, :-1], network.decoder.look_up(states), keep)
        scores = network.decoder.logits(hidden).log_softmax(-1)
        expected = scores.gather(-1, ids[:, 1:, None]).sum((1, 2))
        torch.testing.assert_close(found[:, column], expected.detach())


def test_scores_do_not_depend_on_batch_or_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    network, image, tokenizer = small_network(1), small_images(3), small_tokenizer()
    whole = rank_answers(network, image, asked(), ANSWERS, tokenizer)
    monkeypatch.setattr(model.answering, "ROWS", 6)  # two answers at once
    torch.testing.assert_close(rank_answers(network, image, asked(), ANSWERS, tokenizer), whole)
    alone = rank_answers(network, image[:1], asked(1), ANSWERS[::-1], tokenizer)
    torch.testing.assert_close(alone[0], whole[0].flip(0))


def test_answers_are_free_text_and_scored() -> None:
    network, image = small_network(1), small_images(3)
    found = generate_answers(network, image, asked(), small_tokenizer(), beams=3)
    assert len({one.text for one in found}) > 1
    assert all(one.score < 0 for one in found)


def test_what_cannot_be_meant_is_refused() -> None:
    network, tokenizer = small_network(1), small_tokenizer()
    with pytest.raises(InputError, match="no answers"):
        rank_answers(network, small_images(3), asked(), [], tokenizer)
    with pytest.raises(InputError, match=r"answers 'yes': give a list"):
        rank_answers(network, small_images(3), asked(), "yes", tokenizer)
    with pytest.raises(InputError, match="2 questions with 1 lists"):
        encode_questions(tokenizer, QUESTIONS[:2], [["dog"]], max_tokens=40)
    with pytest.raises(InputError, match="shorten"):
        encode_questions(tokenizer, ["what " * 40], [[]], max_tokens=40)
