from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mmxai_core.explain.faithfulness import cascade_number, coherence_numbers, curve_numbers, removal_number
from mmxai_core.explain.mirror import mirrored_grad_cam_pp
from mmxai_core.explain.strip import StripEvidence, measure_strip, read_strip
from mmxai_core.explain.thresholds import GENERAL, Thresholds
from mmxai_core.results.strip import CascadeStep, DeletionCurves, FieldRemoval
from tests.explain.strip_case import Ready, ready

KEYS = (
    "evidence", "ssim_noise", "ssim_shift", "pearson_noise", "pearson_shift", "deletion_gain", "insertion_gain",
    "field_gain", "randomisation", "agreement", "attention_overlap", "inside_lesion",
)  # fmt: skip


@pytest.fixture(scope="module")
def measured() -> tuple[Ready, StripEvidence]:
    r = ready()
    return r, measure_strip(r.network, r.case)


def test_every_number_has_a_value_a_threshold_and_words(measured: tuple[Ready, StripEvidence]) -> None:
    r, evidence = measured
    strip = read_strip(evidence, null=np.linspace(0, 1e-3, 200))
    assert strip.keys == KEYS
    assert set(strip.values()) - {"evidence"} == set(GENERAL)
    for number in strip.numbers:
        assert number.value is not None
        assert np.isfinite(number.value)
        assert number.threshold is not None
        assert number.verdict.endswith(".")
        assert number.computed_from
    assert strip.curves is not None
    assert strip.values()["deletion_gain"] == strip.curves.deletion_gain
    assert strip.removal is not None
    assert len(strip.removal.fields) == 3
    assert len(strip.cascade) == 4
    assert set(strip.seconds) == {"stability", "deletion", "randomisation", "removal"}
    assert evidence.image is not None
    assert np.allclose(evidence.image.copies.original, r.case.contributions, atol=1e-6)


def test_a_cohorts_thresholds_reach_the_numbers(measured: tuple[Ready, StripEvidence]) -> None:
    stored = {k: {"threshold": 0.97, "cases": 50} for k in GENERAL if k != "randomisation"}
    strip = read_strip(measured[1], thresholds=Thresholds.from_json(stored))
    by_key = dict(zip(strip.keys, strip.numbers, strict=True))
    for key in stored:
        assert by_key[key].threshold == 0.97
        assert "50 training cases" in by_key[key].computed_from
    assert by_key["evidence"].value is None


def test_the_same_seed_gives_the_same_strip_and_work_can_be_stopped(measured: tuple[Ready, StripEvidence]) -> None:
    r, evidence = measured
    assert read_strip(measure_strip(r.network, r.case)).values() == read_strip(evidence).values()

    class StopError(Exception):
        pass

    def stop() -> None:
        raise StopError

    with pytest.raises(StopError):
        measure_strip(r.network, r.case, check=stop)


def test_a_mirrored_map_is_tested_as_one(measured: tuple[Ready, StripEvidence]) -> None:
    r, plain = measured
    read = mirrored_grad_cam_pp(r.network, r.canvas, r.image.state, r.tokens, target=1)
    image = replace(r.image, read=read, mirrored=True)
    found = measure_strip(r.network, replace(r.case, image=image))
    assert found.image is not None
    assert plain.image is not None
    assert not np.allclose(found.image.grid, plain.image.grid)
    right = read_strip(found).values()["ssim_noise"] or 0
    wrong = read_strip(measure_strip(r.network, replace(r.case, image=replace(image, mirrored=False))))
    assert right > (wrong.values()["ssim_noise"] or 0)  # copies without their mirror image are other maps
    assert found.image.cascade != plain.image.cascade


def test_clinical_data_alone_have_the_removal_of_fields(measured: tuple[Ready, StripEvidence]) -> None:
    r, _ = measured
    strip = read_strip(measure_strip(r.network, replace(r.case, image=None)))
    assert strip.keys == ("field_gain",)
    assert (strip.curves, strip.cascade) == (None, ())


def test_verdicts_say_when_random_wins() -> None:
    ones, f = np.ones((2, 3)), np.array([0.0, 0.25, 0.5])
    good = DeletionCurves(f, np.array([1, 0.5, 0.2]), ones, np.array([0.2, 0.8, 1]), 0.3 * ones, "how")
    deletion, insertion = curve_numbers(good)
    assert deletion.verdict == "Deleting what the map marks lowers the probability more than deleting random regions."
    assert insertion.verdict.endswith("more than showing random regions.")
    usual = Thresholds.from_json({"deletion_gain": {"threshold": 0.9, "cases": 99}})
    assert "less than usual for this model" in curve_numbers(good, thresholds=usual)[0].verdict
    bad = curve_numbers(replace(good, deletion=np.ones(3), insertion=np.zeros(3)))
    assert all("may miss what counts" in n.verdict for n in bad)
    assert all(n.value is None for n in curve_numbers(None))
    removal = FieldRemoval(("a", "b", "c"), 0.3, 0.1, 0.9, 20)
    assert removal_number(removal, top=3).verdict == (
        "Without the top 3 fields the probability changes by -30.0 points, without 3 random fields by -10.0."
    )
    assert "doubtful" in removal_number(replace(removal, drop=0.05), top=3).verdict
    assert removal_number(None, top=3).value is None
    assert "depends on what the model learned" in cascade_number([CascadeStep("all", 0.1)]).verdict
    assert "the image rather than the model" in cascade_number([CascadeStep("all", 0.8)]).verdict
    said, looked = coherence_numbers(-0.4, -0.2)
    assert "different answers" in said.verdict
    assert "elsewhere" in looked.verdict
    assert all(n.value is None for n in coherence_numbers(None, None))
