"""A study as the viewer shows it: one image, a series to scroll, or views side by side."""

from __future__ import annotations

from dashboard.components.viewer import Picture, Scene
from mmxai_core.study import Study, StudyImage

#: CC before MLO, the patient's right on the reader's left, so that chest walls meet where the file says the sides.
_VIEWS = ("CC", "MLO")
_SIDES = ("R", "L")
_MOST_PANES = 4


def study_scene(study: Study, *, start: int = 0, height: int = 440, region_tool: bool = True, owner: str = "") -> Scene:
    """All images of a study in one scene; scrolling through them costs no run of the server.

    Args:
        study: The study.
        start: Index of the image shown first.
        height: Largest height of a pane, CSS pixels.
        region_tool: True where the reader may mark the lesion.
        owner: The case; see `Scene`.
    """
    images = study.images
    first = images[start]
    many = len(images) > 1
    return Scene(
        first.pixels, first.geometry.spacing_mm, height=height, region_tool=region_tool,
        title=first.label if many else "Image", levels=first.levels, value_range=first.value_range,
        modality=study.modality, start=start if many else 0,
        slices=tuple(Picture.of(image) for image in images) if many else (), side_by_side=_side_by_side(images),
        follows=True, owner=owner,
    )  # fmt: skip


def _side_by_side(images: tuple[StudyImage, ...]) -> tuple[int, ...]:
    """Order of the panes where every image is a view of its own; none for a series."""
    stated = [(image.view or "", image.laterality or "") for image in images]
    if not 2 <= len(images) <= _MOST_PANES or not all(view for view, _ in stated) or len(set(stated)) < len(stated):
        return ()

    def place(index: int) -> tuple[int, int, int]:
        view, side = stated[index]
        named = next((i for i, v in enumerate(_VIEWS) if v in view.upper()), len(_VIEWS))
        return named, _SIDES.index(side) if side in _SIDES else len(_SIDES), index

    return tuple(sorted(range(len(images)), key=place))
