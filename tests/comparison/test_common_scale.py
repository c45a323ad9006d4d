"""Units of one model are put on one scale before their folds are joined."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from comparison.example_run import example_material, example_units

from mmxai_core.comparison.common_scale import on_one_scale
from mmxai_core.comparison.models import BY_NAME, IMAGE_LEVEL
from mmxai_core.comparison.pooling import pool
from mmxai_core.comparison.units import Scores, Unit
from mmxai_core.evaluation.calibration import fit_temperature, youden_threshold
from mmxai_core.evaluation.fold_scale import margin_of, probability_of


def spread(unit: Unit) -> Unit:
    """The same unit, had its own validation cases chosen another temperature: twice as sure at every second fold."""
    factor = 0.5 if unit.fold % 2 else 2.0

    def at(s: Scores) -> Scores:
        def moved(p: np.ndarray) -> np.ndarray:
            return probability_of(margin_of(p, s.temperature), s.temperature * factor)

        return Scores(moved(s.test), moved(s.validation), s.threshold, s.temperature * factor)

    return replace(unit, scores={k: at(s) for k, s in unit.scores.items()})


def test_what_the_folds_own_temperatures_were_no_longer_matters() -> None:
    units = list(example_units())
    material = example_material(units)
    given = {"label": material.label, "patient": material.patient}
    plain, other = on_one_scale(units, **given), on_one_scale([spread(u) for u in units], **given)
    assert {(u.model, u.seed, u.fold) for u in plain} == {(u.model, u.seed, u.fold) for u in units}
    by_key = {(u.model, u.seed, u.fold): u for u in units}
    for a, b in zip(plain, other, strict=True):
        before = by_key[a.model, a.seed, a.fold]
        truth = np.array([bool(material.label[i]) for i in a.validation_ids])
        for level, s in a.scores.items():
            assert s.test == pytest.approx(b.scores[level].test, rel=1e-5)
            assert s.temperature == pytest.approx(b.scores[level].temperature, rel=1e-5)
            if BY_NAME[a.model].kind == "late":
                continue
            old = before.scores[level].test
            assert np.all(np.diff(s.test[np.argsort(old)]) >= 0), "the order of a fold's cases stays"
            assert s.threshold == youden_threshold(truth, s.validation)
    spoilt = example_material([spread(u) for u in units])
    joined = (pool(m, "image", IMAGE_LEVEL) for m in (example_material(plain), example_material(other), spoilt))
    first, second, third = (p.p for p in joined if p is not None)
    assert first == pytest.approx(second, rel=1e-5) and not np.allclose(first, third, rtol=0.05)


def test_a_late_average_is_the_mean_of_its_parts_on_their_scale() -> None:
    units = example_units()
    material = example_material(units)
    given = {"label": material.label, "patient": material.patient}
    found = {(u.model, u.seed, u.fold): u for u in on_one_scale([spread(u) for u in units], **given)}
    image, clinical = found["image", 7, 1], found["clinical", 7, 1]
    late = found["late_average", 7, 1]
    for level, s in late.scores.items():
        mean = (image.scores[IMAGE_LEVEL].test + clinical.scores[level].test) / 2
        assert s.test == pytest.approx(mean) and s.temperature == 1.0
        truth = np.array([bool(material.label[i]) for i in late.validation_ids])
        assert s.threshold == youden_threshold(truth, s.validation)
    without = on_one_scale([u for u in units if u.model != "clinical"], **given)
    assert "late_average" not in {u.model for u in without} and "image" in {u.model for u in without}


def test_an_image_level_that_another_network_answers_is_calibrated_by_itself() -> None:
    units = [u for u in example_units() if u.seed == 7 and u.fold == 0]
    material = example_material(units)
    found = {u.model: u for u in on_one_scale(units, label=material.label, patient=material.patient)}
    for name, apart in (
        ("no_cnn", True),
        ("radiomics", True),
        ("gradients", True),
        ("attention", False),
        ("daft", False),
    ):
        temperatures = {k: s.temperature for k, s in found[name].scores.items()}
        fields = {t for k, t in temperatures.items() if k != IMAGE_LEVEL}
        assert len(fields) == 1 and (temperatures[IMAGE_LEVEL] not in fields) is apart, name


def test_one_fold_alone_has_the_temperature_of_its_own_cases() -> None:
    """As of a split that the cohort published: there is nothing to join. The levels with fields say it, where any."""
    units = sorted((u for u in example_units() if u.fold == 0 and u.seed == 7), key=lambda u: u.model)
    material = example_material(units)
    found = on_one_scale(units, label=material.label, patient=material.patient)
    for before, after in zip(units, found, strict=True):
        if BY_NAME[before.model].kind in ("late", "ablation", "radiomics", "gradients"):
            continue
        levels = [k for k in before.scores if k != IMAGE_LEVEL] or [IMAGE_LEVEL]
        z = np.concatenate([margin_of(before.scores[k].validation, 1.0) for k in levels])
        truth = np.tile([material.label[i] for i in before.validation_ids], len(levels))
        own = fit_temperature(np.stack([0 * z, z], 1), truth)
        assert all(s.temperature == pytest.approx(own, rel=1e-5) for s in after.scores.values())
