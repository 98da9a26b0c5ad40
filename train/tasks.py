"""What is learned: a task owns the network and its losses, and returns the losses by name.

``pretrain`` learns all of the paper's tasks at once (Section 3); ``tagging`` and ``retrieval`` are
some of its losses alone; ``caption`` mixes the two guidance strategies of Appendix D; ``vqa`` is
Appendix E. A loss of weight 0 is not computed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from typing import Final, NamedTuple

import torch
from torch import Tensor, nn

from model.alignment import AlignmentEncoder, contrastive_loss, hard_negatives, matching_loss
from model.answering import encode_questions
from model.generation import encode_guidance
from model.generation_loss import lm_loss
from model.guidance import shuffled
from model.losses import tagging_loss
from model.momentum import Momentum
from model.network import Network
from model.preprocess import normalise
from model.recognition import thresholds
from model.tag2text import Tag2Text
from model.tagging import TaggingHead
from model.tokenizer import Tokens
from model.topk import topk_loss, uncached
from train.config import TrainConfig
from train.ranks import Ranks
from train.samples import Batch
from vocab.errors import InputError

Losses = dict[str, Tensor]


class Outcome(NamedTuple):
    """Losses by name, and the tagging logits (batch, classes) where they were computed."""

    losses: Losses
    logits: Tensor | None


class Pretrain(nn.Module):
    """Tagging, generation and alignment, whichever weigh anything."""

    def __init__(self, model: Tag2Text, config: TrainConfig, ranks: Ranks) -> None:
        super().__init__()
        self.network: Network = model.network
        self.vocabulary, self.tokenizer, self.guide = model.vocabulary, model.tokenizer, model.guide
        self.floor = thresholds(model.vocabulary)
        self.weights, self.ranks, self.seed = config.loss_weights(), ranks, config.seed
        self.queries = config.top_queries
        self.criterion = tagging_loss(config.tagging_loss)
        self.momentum: Momentum | None = None
        if self._any("contrast", "matching"):
            alignment = self._alignment()
            if config.queue and self._any("contrast"):
                self.momentum = Momentum(self.network.image_encoder, alignment, size=config.queue)
        if self.queries and not isinstance(self.network.tagging, TaggingHead):
            raise InputError("--top-queries needs the tagging head that has queries")

    @property
    def partial(self) -> bool:
        """Whether some weights of the network may get no gradient."""
        return not (len(self.weights) == 4 and all(self.weights.values()))

    def forward(self, batch: Batch) -> Losses:
        """Return the losses by name, each a mean over the images (or words) of all ranks' batches.

        The ranks' gradients must be averaged, as DDP does.
        """
        return self.evaluate(batch).losses

    def total(self, losses: Mapping[str, Tensor]) -> Tensor:
        """Return the weighted sum, which is trained on."""
        return torch.stack([self.weights[name] * loss for name, loss in losses.items()]).sum()

    def evaluate(self, batch: Batch) -> Outcome:
        """Return losses and logits; in training all ranks must call, with batches of one size."""
        images = normalise(batch.images, self.network.config)
        image = self.network.image_encoder(images)
        losses: Losses = {}
        logits = None
        if self._any("tagging"):
            losses["tagging"], logits = self._tagging(image, batch)
        if self._any("generation"):
            tags = self.guidance(image, batch, logits)
            losses["generation"] = self._words(image, tags, batch.captions, self._prompt())
        if self._any("contrast", "matching"):
            losses.update(self._align(image, images, batch))
        return Outcome(losses, logits)

    def guidance(self, image: Tensor, batch: Batch, logits: Tensor | None) -> Tokens:
        """Return the tags that guide generation: the caption's own, shuffled (Section 3.3)."""
        del image, logits
        return batch.tags

    def after_step(self) -> None:
        """Follow the weights that have moved."""
        if self.momentum is not None:
            self.momentum.update(self.network.image_encoder, self._alignment())

    def extra_state(self) -> dict[str, Tensor]:
        """Return what a checkpoint holds beside the network: the momentum encoders, the queue."""
        return {} if self.momentum is None else dict(self.momentum.state_dict())

    def load_extra_state(self, state: Mapping[str, Tensor]) -> None:
        """Set what :meth:`extra_state` returned; :class:`InputError` when it was another task's."""
        expected = self.extra_state()
        if {n: t.shape for n, t in expected.items()} != {n: t.shape for n, t in state.items()}:
            raise InputError(
                "the checkpoint was made with another --queue, or other losses in --weights; "
                "give those"
            )
        if self.momentum is not None:
            self.momentum.load_state_dict(dict(state))

    def _tagging(self, image: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        head = self.network.tagging
        targets = batch.labels(len(self.vocabulary))
        if self.training and self.queries and isinstance(head, TaggingHead):
            found = topk_loss(head, image, targets, self.criterion, queries=self.queries)
            return found.loss, found.logits
        return head.loss(image, targets, self.criterion)

    def _words(self, image: Tensor, tags: Tokens, words: Tokens, prompt: int) -> Tensor:
        """Return the language modelling loss, the mean over the words of all ranks."""
        network = self.network
        loss = lm_loss(
            network.decoder, *words, *encode_guidance(network, image, *tags), prompt_tokens=prompt
        )
        return loss * self.ranks.share(words.mask[:, prompt:].sum()) if self.training else loss

    def _align(self, image: Tensor, images: Tensor, batch: Batch) -> Losses:
        encoder = self._alignment()
        vectors, texts = encoder.encode_image(image), encoder.encode_text(*batch.texts)
        losses: Losses = {}
        with torch.autocast(image.device.type, enabled=False):  # cosines need their digits
            if self._any("contrast"):
                losses["contrast"] = self._contrast(encoder, vectors, texts, images, batch)
            similarity = vectors.detach() @ texts.detach().T / encoder.scale().detach()
        if self._any("matching"):
            negatives = hard_negatives(similarity, batch.image_keys)
            losses["matching"] = matching_loss(encoder, *batch.texts, image, negatives)
        return losses

    def _contrast(
        self,
        encoder: AlignmentEncoder,
        vectors: Tensor,
        texts: Tensor,
        images: Tensor,
        batch: Batch,
    ) -> Tensor:
        keys, temperature = batch.image_keys, encoder.scale()
        if self.momentum is None or not self.training:
            gather = self.ranks.gather if self.training else None
            return contrastive_loss(vectors, texts, keys, temperature=temperature, gather=gather)
        slow = self.momentum.encode(images, *batch.texts)
        loss = self.momentum.loss(vectors, texts, slow, keys, temperature=temperature)
        self.momentum.enqueue(slow, keys, gather=self.ranks.gather)
        return loss

    def _alignment(self) -> AlignmentEncoder:
        if self.network.alignment is None:
            raise InputError(
                "this model has no alignment part; switch it off: --weights contrast=0,matching=0"
            )
        return self.network.alignment

    def _any(self, *names: str) -> bool:
        return any(self.weights.get(name) for name in names)

    def _prompt(self) -> int:
        return len(self.tokenizer.encode_prompt(self.network.config.prompt))

    def recognised(
        self,
        image: Tensor,
        logits: Tensor | None,
        *,
        batch: Batch,
        questions: Sequence[str] | None = None,
    ) -> list[list[str]]:
        """Return the names of each image's recognised tags, shuffled, as inference finds them.

        They go through the host, which waits for the device: words are its business.
        """
        if logits is None:
            with torch.no_grad(), uncached(image.device.type):  # layers of the head are shared
                logits = self.network.tagging(image)
        scores = torch.sigmoid(logits.detach().float()).cpu()
        asked: Sequence[str | None] = questions or [None] * len(scores)
        rows = zip(scores, asked, batch.keys, strict=True)
        return [
            shuffled(self.guide.recognised(row, self.floor, question), self._random(batch, key))
            for row, question, key in rows
        ]

    def _random(self, batch: Batch, key: str) -> Random:
        return Random(f"{self.seed} {batch.epoch} {key} guidance")  # noqa: S311


class CaptionFinetune(Pretrain):
    """Captions guided by their own tags, or by those that the model recognises (Appendix D)."""

    def __init__(self, model: Tag2Text, config: TrainConfig, ranks: Ranks) -> None:
        super().__init__(model, config, ranks)
        self.ratio = config.recognised

    def guidance(self, image: Tensor, batch: Batch, logits: Tensor | None) -> Tokens:
        """Return tags, each image's from the one source or the other, by a draw of its own."""
        drawn = [self._random(batch, f"{key} source").random() for key in batch.keys]
        if not any(chance < self.ratio for chance in drawn):
            return batch.tags
        made = self.tokenizer.encode_tags(
            self.recognised(image, logits, batch=batch),
            max_tokens=self.network.config.max_tag_tokens,
        )
        mine = torch.tensor([chance < self.ratio for chance in drawn], device=image.device)
        made = Tokens(*(tensor.to(image.device) for tensor in made))
        return _mixed(mine, made, batch.tags, self.tokenizer.pad)


class VqaFinetune(Pretrain):
    """Answers to questions, guided by recognised tags (Appendix E).

    A caption of the shards is a question and its answer: everything up to the question mark, and
    the rest.
    """

    def evaluate(self, batch: Batch) -> Outcome:
        """Return the loss of the answers."""
        network = self.network
        image = network.image_encoder(normalise(batch.images, network.config))
        asked = [split_question(sentence, key) for sentence, key in _named(batch)]
        texts = [question for question, _ in asked]
        self._refuse_long(texts, batch.keys)
        tags = self.recognised(image, None, batch=batch, questions=texts)
        questions = encode_questions(
            self.tokenizer, texts, tags, max_tokens=network.config.max_tag_tokens
        )
        answers = self.tokenizer.encode_captions([answer for _, answer in asked], prompt="")
        to = image.device
        questions, answers = (Tokens(*(t.to(to) for t in each)) for each in (questions, answers))
        return Outcome({"answer": self._words(image, questions, answers, 1)}, None)

    def _refuse_long(self, questions: Sequence[str], keys: Sequence[str]) -> None:
        for question, key in zip(questions, keys, strict=True):
            try:
                self.tokenizer.fitting([question], max_tokens=self.network.config.max_tag_tokens)
            except InputError as error:
                raise InputError(f"sample {key}: {error}") from error


def split_question(sentence: str, key: str) -> tuple[str, str]:
    """Return question and answer of "what is this? a dog"; :class:`InputError` names the sample."""
    question, mark, answer = sentence.partition("?")
    if not (question.strip() and mark and answer.strip()):
        raise InputError(
            f"sample {key}: {sentence!r} is not 'question? answer', as --task vqa needs"
        )
    return question.strip() + mark, answer.strip()


def make_task(model: Tag2Text, config: TrainConfig, ranks: Ranks) -> Pretrain:
    """Return the configured task for a model, on the model's device."""
    made = _TASKS.get(config.task, Pretrain)(model, config, ranks)
    return made.to(ranks.device)


_TASKS: Final[Mapping[str, type[Pretrain]]] = {"caption": CaptionFinetune, "vqa": VqaFinetune}


def _named(batch: Batch) -> Sequence[tuple[str, str]]:
    return list(zip(batch.sentences, batch.keys, strict=True))


def _mixed(mine: Tensor, ours: Tokens, theirs: Tokens, pad: int) -> Tokens:
    """Return our rows where ``mine`` (batch,) is true, else theirs, padded to one length."""
    length = max(ours.ids.shape[1], theirs.ids.shape[1])
    rows = [_padded(tokens, length, pad) for tokens in (ours, theirs)]
    return Tokens(*(torch.where(mine[:, None], a, b) for a, b in zip(*rows, strict=True)))


def _padded(tokens: Tokens, length: int, pad: int) -> Tokens:
    room = (0, length - tokens.ids.shape[1])
    return Tokens(
        nn.functional.pad(tokens.ids, room, value=pad), nn.functional.pad(tokens.mask, room)
    )
