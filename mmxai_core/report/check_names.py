"""What each reliability number asks, in plain words: the one name of a check on the page, in the report and in tables.

The technical name stays with the number, in the tooltip on the page and beside the plain one in the tables.
"""

from __future__ import annotations

#: The start of the name of the number that holds the map against maps of meaningless weights.
STRENGTH = "Strength of the evidence"
#: By the start of the core's name: the question in plain words, answered by "yes" where the number passes.
PLAIN: dict[str, str] = {
    "Additivity residual": "Contributions add up to the prediction",
    STRENGTH: "Map is stronger than chance maps",
    "Map stability under noise": "Map stays the same under slight noise",
    "Map stability under small movements": "Map stays the same if the image moves a little",
    "Attribution stability under noise": "Contributions stay the same under slight noise",
    "Attribution stability under small movements": "Contributions stay the same if the image moves a little",
    "Deletion": "Hiding the marked places changes the answer",
    "Insertion": "The marked places alone give the answer",
    "Removal of the top": "The largest contributions matter most",
    "Map with random weights": "Map depends on what the model learned",
    "Agreement of image and clinical data": "Image and clinical data agree",
    "Fields' attention on the map": "Fields look where the map is",
    "Evidence inside the lesion region": "Evidence lies in the lesion",
    "Evidence inside the drawn region": "Evidence lies in the region you drew",
}


def plain_name(name: str) -> str:
    """The question a number answers, in plain words; its own name where there are none."""
    start = max((s for s in PLAIN if name.startswith(s)), key=len, default="")
    return PLAIN.get(start, name)


def quoted_name(name: str) -> str:
    """The same in marks, for a sentence inside a sentence."""
    return f"“{plain_name(name)}”"
