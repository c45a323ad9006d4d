"""Toward which class a signed map is drawn: one colour means one thing on every picture of a case.

Contributions are toward one class throughout, as a rule the positive one. Maps are computed for the class that is
called; drawn as they are, the colour that speaks for a cancer in the waterfall would flood a benign lesion. Of two
classes what speaks against the one speaks for the other, so the map is drawn with its sign turned.
"""

from __future__ import annotations

from dataclasses import dataclass

from mmxai_core.results import Explanation


@dataclass(frozen=True)
class Toward:
    """How a signed map is drawn.

    Attributes:
        name: The class that values above 0 speak for once multiplied by `sign`, in words.
        sign: 1.0, or -1.0 where the map is of the other of two classes.
    """

    name: str
    sign: float


def toward(target_class: str, explanation: Explanation) -> Toward:
    """Toward the class that the contributions are of; of more than two classes, as the map was computed.

    Args:
        target_class: The class that the map was computed for.
        explanation: Whose contributions stand beside it.
    """
    turned = len(explanation.prediction.classes) == 2 and target_class != explanation.target_class
    return Toward((explanation.target_class if turned else target_class).replace("_", " "), -1.0 if turned else 1.0)
