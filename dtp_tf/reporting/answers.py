"""What a network makes of test images: where it was wrong and sure, and where it was right."""

import numpy as np

from dtp_tf.data.streaming import StreamedImages
from dtp_tf.evaluating.evaluation import predict
from dtp_tf.reporting.blocks import Image, Images, Text
from dtp_tf.reporting.images import photo

MOST_IMAGES, MOST_STREAMED = 10_000, 2_000  # that are looked at
WRONG = 24  # images that are shown
RIGHT, RIGHT_CLASSES = 4, 20


class Answers:
    """A network's scores for images of a split.

    Args:
        split: a `Split`.
        numbers: which of its images were looked at, `(n,)`.
        scores: of these, `(n, classes)`.
        class_names: one name per class.
        probable: whether scores are probabilities.

    Attributes:
        said: what was not looked at, in a sentence, or "".
    """

    def __init__(self, split, numbers, scores, class_names, probable):
        self.split, self._numbers, self._scores = split, numbers, scores
        self.class_names, self._probable = class_names, probable
        self.labels, self._answers = split.labels[numbers], scores.argmax(axis=-1)
        self._score = scores.max(axis=-1)
        self.said = ""
        if len(numbers) < len(split):
            self.said = (
                f"Of the {len(split):,} test images, {len(numbers):,} were looked at here, evenly "
                "spaced: " + (
                    "they are read from the disk."
                    if isinstance(split.images, StreamedImages) else "that is enough for pictures."
                )
            )

    @classmethod
    def of(cls, saved, split, scores=None):
        """Ask a `SavedModel`; `scores` of the whole split may be known already."""
        streamed = isinstance(split.images, StreamedImages)
        most = MOST_STREAMED if streamed else MOST_IMAGES
        numbers = np.arange(len(split))
        if scores is None:
            if len(split) > most:
                numbers = np.linspace(0, len(split) - 1, most).astype(int)
            scores = predict(saved.model, split.part(numbers))
        return cls(split, numbers, scores, saved.class_names, saved.gives_probabilities)

    def wrong(self):
        """Return blocks: the images that it got wrong with the highest scores."""
        wrong, first = np.flatnonzero(self._answers != self.labels), self.most_wrong()
        if not len(wrong):
            return [Text("It got none of the test images wrong.")]
        count = f"{len(first):,} of the {len(wrong):,} wrong answers, those"
        if len(first) == len(wrong):
            count = f"All {len(wrong):,} wrong answers, those" if len(wrong) > 1 else (
                "The one wrong answer, that")
        caption = f"{count} with the highest score first: the true class, then the answer."
        return [Images(caption, [
            self._image(n, f"{self._class(self.labels[n])}, answered {self._answer(n)}")
            for n in first
        ])]

    def most_wrong(self):
        """Return the numbers of the wrong answers with the highest scores, the highest first."""
        wrong = np.flatnonzero(self._answers != self.labels)
        return wrong[np.argsort(-self._score[wrong], kind="stable")][:WRONG]

    def right(self):
        """Return blocks: for each class, the images that it got right with the highest scores."""
        blocks, is_right = [], self._answers == self.labels
        classes = np.unique(self.labels[is_right])
        none = np.setdiff1d(self.labels, classes)
        if len(classes) > RIGHT_CLASSES:
            blocks.append(Text(
                f"Of {len(classes):,} classes with right answers, the first {RIGHT_CLASSES} are "
                "shown.", "note"
            ))
        images = []
        for number in classes[:RIGHT_CLASSES]:
            right = np.flatnonzero(is_right & (self.labels == number))
            best = right[np.argsort(-self._score[right], kind="stable")][:RIGHT]
            scores = ", ".join(self._shown(self._score[n]).rstrip("%").strip() for n in best)
            scores += "\N{NO-BREAK SPACE}%" if self._probable else ""
            images.append(Image(
                [(photo(self._pixels(n)), f"test image of {self._class(number)}, answered right "
                  f"with score {self._shown(self._score[n])}") for n in best],
                f"{self._class(number)}: {scores}",
            ))
        if images:
            caption = "For each class the test images that it was surest of, with their scores."
            blocks.append(Images(caption, images, "middle"))
        if len(none):
            names = ", ".join(self._class(number) for number in none[:RIGHT_CLASSES])
            more = ", ..." if len(none) > RIGHT_CLASSES else ""
            blocks.append(Text(
                f"Of {len(none):,} class(es) no test image was answered right: {names}{more}.",
                "note",
            ))
        return blocks

    def examples(self, count):
        """Return some images, one of each class as far as they go, `(n, H, W, C)`."""
        firsts = [np.flatnonzero(self.labels == one)[:1] for one in np.unique(self.labels)[:count]]
        chosen = np.concatenate(firsts)
        others = np.setdiff1d(np.arange(len(self.labels)), chosen)[: count - len(chosen)]
        return self.split.images[self._numbers[np.concatenate([chosen, others])]]

    def _image(self, n, caption):
        return Image([(photo(self._pixels(n)), f"test image: {caption}")], caption)

    def _pixels(self, n):
        return self.split.images[int(self._numbers[n])]

    def _answer(self, n):
        return f"{self._class(self._answers[n])} ({self._shown(self._score[n])})"

    def _class(self, number):
        name = str(self.class_names[number])
        return name if len(name) <= 60 else name[:57] + "..."

    def _shown(self, score):
        return f"{100 * score:.1f}\N{NO-BREAK SPACE}%" if self._probable else f"{score:.3g}"
