"""The reliability strip read as permissions: which statements about an explanation its checks support."""

from __future__ import annotations

from dataclasses import dataclass

from mmxai_core.results import Explanation, ReliabilityNumber

#: Keys of `mmxai_core.results.ReliabilityStrip` whose number is a lead over a random rival: it must also be above 0.
_LEADS = frozenset({"deletion_gain", "insertion_gain", "field_gain"})
#: What the place of the evidence rests on: the map is there, means something, matters, and stays where it is.
_PLACE = ("evidence", "randomisation", "deletion_gain", "insertion_gain", "ssim_noise", "ssim_shift")
#: What the order of contributions rests on.
_ACCOUNT = ("pearson_noise", "pearson_shift", "field_gain")


def passes(number: ReliabilityNumber, *, lead: bool = False) -> bool | None:
    """True or False against the threshold; None where there is no number or no threshold.

    Args:
        number: The number.
        lead: True for a lead over a random rival, which must be above 0 whatever its threshold.
    """
    if number.value is None or number.threshold is None:
        return None
    beyond = number.value >= number.threshold if number.higher_is_better else number.value <= number.threshold
    return beyond and (not lead or number.value > 0)


@dataclass(frozen=True)
class Check:
    """One reliability number with its verdict.

    Attributes:
        key: Stable key of the number, e.g. "deletion_gain"; its name where it has none.
        number: The number.
        passed: True, False, or None: not computed, or without a threshold.
    """

    key: str
    number: ReliabilityNumber
    passed: bool | None

    @property
    def word(self) -> str:
        """The verdict in words, so that it never rests on a colour."""
        if self.number.value is None:
            return "not computed"
        return {True: "passes", False: "fails", None: "not judged"}[self.passed]


def checks(explanation: Explanation) -> tuple[Check, ...]:
    """Every reliability number of an explanation, in display order.

    Args:
        explanation: The explanation.
    """
    strip = explanation.strip
    keys: dict[int, str] = {}
    if strip is not None:
        keys = {id(n): k for k, n in zip(strip.keys, strip.numbers, strict=True)}
        named = {n.name: k for k, n in zip(strip.keys, strip.numbers, strict=True)}
    else:
        named = {}
    numbers = list(explanation.reliability)
    if strip is not None:
        present = {n.name for n in numbers}
        numbers += [n for n in strip.numbers if n.name not in present]
    found = []
    for number in numbers:
        key = keys.get(id(number)) or named.get(number.name) or number.name
        found.append(Check(key, number, passes(number, lead=key in _LEADS)))
    return tuple(found)


@dataclass(frozen=True)
class Support:
    """What may be said of one explanation.

    Attributes:
        by_key: Verdict of each check by key; a check that is missing is not in it.
    """

    by_key: dict[str, bool | None]

    @classmethod
    def of(cls, explanation: Explanation) -> Support:
        """The support that an explanation's own checks give."""
        return cls({c.key: c.passed for c in checks(explanation)})

    def failed(self, *keys: str) -> tuple[str, ...]:
        """Those of `keys` whose check failed."""
        return tuple(k for k in keys if self.by_key.get(k) is False)

    def untested(self, *keys: str) -> tuple[str, ...]:
        """Those of `keys` that were not computed or are held to nothing."""
        return tuple(k for k in keys if self.by_key.get(k) is None)

    @property
    def place_failed(self) -> tuple[str, ...]:
        """Failed checks of the map, without the question where it lies."""
        return self.failed(*_PLACE)

    @property
    def place_untested(self) -> tuple[str, ...]:
        """Checks of the map that were not made."""
        return self.untested(*_PLACE)

    @property
    def account_failed(self) -> tuple[str, ...]:
        """Failed checks of the contributions."""
        return self.failed(*_ACCOUNT)

    @property
    def tested(self) -> bool:
        """True where any check has a verdict."""
        return any(v is not None for v in self.by_key.values())
