"""Caption figures: laws, cases by hand, and equality with the field's scorer where installed."""

from __future__ import annotations

import gzip
import json
import math
from collections import defaultdict
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from train.caption_metrics import bleu, caption_figures, cider, rouge_l, tokens
from vocab.errors import InputError

DATA = Path(__file__).parents[2].parent / "shared" / "data"
SENTENCES = st.lists(st.sampled_from("a dog cat runs on the red mat".split()), max_size=9)
ROWS = st.lists(
    st.tuples(SENTENCES, st.lists(SENTENCES.filter(bool), min_size=1, max_size=3)), min_size=1
)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("A man's T-shirt, isn't it?", "a man 's t-shirt is n't it"),
        ("Two dogs (one red) run...", "two dogs one red run"),
        ("a sink,toilet and 1,000 pills", "a sink toilet and 1,000 pills"),
        ("It’s 3.5 miles & more", "it 's 3.5 miles more"),
        ("", ""),
    ],
)
def test_tokens(text: str, words: str) -> None:
    assert " ".join(tokens(text)) == words


def test_a_caption_like_its_references_is_perfect() -> None:
    texts = ["a red dog runs on the beach", "two cats sit beside an old tree", "people walk by"]
    found = caption_figures(texts[:2], [[texts[0]], [texts[1], texts[2]]])
    assert found.bleu_4 == pytest.approx(1, abs=1e-6)
    assert found.rouge_l == pytest.approx(1)
    alone = caption_figures(texts[:2], [[texts[0]], [texts[1]]])
    assert alone.cider == pytest.approx(10)


def test_nothing_in_common_is_nothing() -> None:
    found = caption_figures(["dogs run", "cats sit"], [["a plane flies"], ["the sea is blue"]])
    assert found.rouge_l == 0 and found.cider == 0 and found.bleu_4 < 1e-3


def test_bleu_punishes_short_captions() -> None:
    reference = "a red dog runs along the long beach".split()
    whole, short = bleu([reference], [[reference]]), bleu([reference[:5]], [[reference]])
    assert short == pytest.approx(whole * math.exp(1 - 8 / 5), rel=1e-6)


def test_rouge_by_hand() -> None:
    # The longest common subsequence of both is "the dog ran": 3 of 4 and 3 of 5 words.
    found = rouge_l("the dog ran home".split(), ["the old dog just ran".split()])
    p, r = 3 / 4, 3 / 5
    assert found == pytest.approx((1 + 1.2**2) * p * r / (r + 1.2**2 * p))


def test_cider_gives_rare_words_more() -> None:
    references = [["a man rides a zebra".split()]] + [["a man rides a horse".split()]] * 9
    rare, common = "a zebra".split(), "a man".split()
    assert cider([rare] * 10, references)[0] > cider([common] * 10, references)[0]


@given(ROWS)
def test_figures_stay_in_their_ranges(rows: list[tuple[list[str], list[list[str]]]]) -> None:
    made, right = [row[0] for row in rows], [row[1] for row in rows]
    assert 0 <= bleu(made, right) <= 1 + 1e-6
    assert all(0 <= rouge_l(*row) <= 1 + 1e-12 for row in rows)
    assert all(0 <= value <= 10 + 1e-9 for value in cider(made, right))


@given(ROWS, st.randoms(use_true_random=False))
def test_the_order_of_images_says_nothing(
    rows: list[tuple[list[str], list[list[str]]]], random: object
) -> None:
    shuffled = list(rows)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    one = sum(cider([r[0] for r in rows], [r[1] for r in rows]))
    assert sum(cider([r[0] for r in shuffled], [r[1] for r in shuffled])) == pytest.approx(one)


def test_what_cannot_be_measured_is_said() -> None:
    with pytest.raises(InputError, match="give as many"):
        caption_figures(["a"], [])
    with pytest.raises(InputError, match="no caption to measure"):
        caption_figures([], [])
    with pytest.raises(InputError, match="compare with"):
        caption_figures(["a"], [[]])


@given(ROWS)
def test_equals_the_fields_scorer(rows: list[tuple[list[str], list[list[str]]]]) -> None:
    scorer = pytest.importorskip("pycocoevalcap.bleu.bleu")
    assert_same_as_scorer(scorer, [row[0] for row in rows], [row[1] for row in rows])


@pytest.mark.data
@pytest.mark.skipif(not DATA.exists(), reason="needs the real captions")
def test_equals_the_fields_scorer_on_coco() -> None:
    scorer = pytest.importorskip("pycocoevalcap.bleu.bleu")
    with gzip.open(DATA / "coco" / "captions_dev.json.gz") as file:
        rows = json.load(file)["annotations"]
    by_image = defaultdict(list)
    for row in rows:
        by_image[row["image_id"]].append(tokens(row["caption"]))
    several = [texts for texts in by_image.values() if len(texts) > 1][:500]
    assert_same_as_scorer(scorer, [texts[0] for texts in several], [texts[1:] for texts in several])


def assert_same_as_scorer(
    scorer: object, made: list[list[str]], right: list[list[list[str]]]
) -> None:
    from pycocoevalcap.cider.cider import Cider
    from pycocoevalcap.rouge.rouge import Rouge

    results = {place: [" ".join(words)] for place, words in enumerate(made)}
    truth = {place: [" ".join(one) for one in row] for place, row in enumerate(right)}
    theirs = scorer.Bleu(4).compute_score(truth, results, verbose=0)[0][3]  # type: ignore[attr-defined]
    assert bleu(made, right) == pytest.approx(theirs, abs=1e-12)
    ours = cider(made, right)
    assert ours == pytest.approx(Cider().compute_score(truth, results)[1].tolist(), abs=1e-9)
    if all(made):  # theirs counts an empty caption as one word
        found = [rouge_l(*row) for row in zip(made, right, strict=True)]
        assert found == pytest.approx(Rouge().compute_score(truth, results)[1].tolist(), abs=1e-12)
