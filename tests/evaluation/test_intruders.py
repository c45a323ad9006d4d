from __future__ import annotations

import numpy as np

from mmxai_core.evaluation.intruders import make_intruders


def test_twenty_different_valid_images_the_same_for_a_seed() -> None:
    found, again, other = make_intruders(), make_intruders(), make_intruders(seed=1)
    assert len(found) == 20 and len({i.name for i in found}) == 20
    for a, b in zip(found, again, strict=True):
        np.testing.assert_array_equal(a.pixels, b.pixels)
        image = a.study().images[0]  # refuses values outside [0, 1]
        assert image.label == a.name and a.pixels.dtype == np.float32
    assert len({i.study().sha256 for i in found}) == 20
    assert sum(not np.array_equal(a.pixels, b.pixels) for a, b in zip(found, other, strict=True)) >= 10
    assert any(i.pixels.ndim == 3 for i in found)
