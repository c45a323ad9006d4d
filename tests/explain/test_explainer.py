from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_bundle import ARCH, SCHEMA, tiny_network, tiny_study, write_tiny_bundle

from mmxai_core.clinical import ClinicalRecord
from mmxai_core.errors import CancelledError, ClinicalValueError, DeadlineError, ExplanationError
from mmxai_core.explain import stability
from mmxai_core.explain.explainer import Explainer
from mmxai_core.explain.mirror import mirrored_grad_cam_pp
from mmxai_core.explain.saliency import on_canvas
from mmxai_core.model.bundle import load_bundle
from mmxai_core.predict import Predictor
from mmxai_core.preprocess import prepare_image
from mmxai_core.results import Explanation

RECORD = SCHEMA.record({"age": 61, "palpable": "yes", "margin": "spiky", "birads": "4"})


@pytest.fixture(scope="module")
def explainer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Explainer]:
    bundle = load_bundle(write_tiny_bundle(tmp_path_factory.mktemp("bundle") / "tiny"))
    predictor = Predictor(bundle, device="cpu")
    yield Explainer(predictor)
    predictor.close()


def by_name(explanation: Explanation) -> dict[str, float | None]:
    return {n.name: n.value for n in explanation.reliability}


def test_image_and_fields_together(explainer: Explainer) -> None:
    study = tiny_study(images=3)
    steps: list[tuple[str, float]] = []
    result = explainer.explain(study, RECORD, progress=lambda n, p: steps.append((n, p)))
    prediction = explainer.predictor.predict(study, RECORD)
    assert result.prediction.logits == prediction.logits
    assert result.attribution.players == ("age", "palpable", "margin", "birads", "image")
    odds = prediction.logits["malignant"] - prediction.logits["benign"]
    assert result.attribution.base_value + result.attribution.values.sum() == pytest.approx(odds, abs=1e-5)
    probability = result.attribution_probability
    assert probability.base_value + probability.values.sum() == pytest.approx(prediction.probability, abs=1e-5)
    assert max(abs(result.attribution.residual), abs(probability.residual)) < 1e-5
    assert result.saliency is not None
    assert result.saliency.source.shape == (90, 120)
    assert result.saliency.source.dtype == np.float32
    assert result.saliency.reference == 2.5
    assert result.saliency.source.max() > 0
    assert result.rollout is not None
    assert result.rollout.grid.mean() == pytest.approx(1, abs=1e-4)
    assert result.cross_modal is not None
    assert result.cross_modal.clinical_to_image_source.shape == (4, 90, 120)
    assert result.lesion_map is not None
    assert 0 <= result.lesion_map.min() <= result.lesion_map.max() <= 1
    assert result.geometry["image_index"] == prediction.image_index
    assert result.geometry["grid"] == 16
    assert result.saliency.target_class == prediction.predicted_class
    assert len(result.reliability) == 13
    assert set(result.seconds) >= {"encode", "predict", "input_check", "maps", "joint", "attention", "strip", "total"}
    assert result.parts == ("maps", "joint", "attention", "strip", "questions")
    assert [p for _, p in steps] == sorted(p for _, p in steps)
    assert steps[-1] == ("Done", 1.0)


def test_the_map_is_grad_cam_of_the_deciding_image(explainer: Explainer) -> None:
    study, network = tiny_study(images=3), tiny_network()
    encoded = explainer.predictor.encode(study)
    result = explainer.explain(study, RECORD, encoded=encoded)
    clinical = SCHEMA.encode(RECORD)
    tokens = network.encode_clinical(torch.from_numpy(clinical.values)[None], torch.from_numpy(clinical.known)[None])
    state = encoded.image(result.prediction.image_index or 0)
    called = ("benign", "malignant").index(result.prediction.predicted_class)
    index = result.prediction.image_index or 0
    canvas = torch.from_numpy(prepare_image(study.images[index].grey, canvas=128)[0])[None, None]
    maps = mirrored_grad_cam_pp(network, canvas, state, tokens, target=called).maps[0].numpy()
    expected = on_canvas(maps, tuple(state.boxes[0].tolist()), 16)
    assert result.saliency is not None
    assert np.allclose(result.saliency.grid, expected, rtol=1e-4, atol=1e-7)


def test_clinical_only_and_image_only(explainer: Explainer) -> None:
    clinical = explainer.explain(None, RECORD)
    assert clinical.attribution.players == ("age", "palpable", "margin", "birads")
    assert (clinical.saliency, clinical.rollout, clinical.lesion_map, clinical.cross_modal) == (None,) * 4
    assert abs(clinical.attribution.residual) < 1e-5
    assert next(iter(by_name(clinical))) == "Additivity residual"
    assert (clinical.audit, clinical.unified) == (None, None)
    assert clinical.joint is not None
    assert (clinical.joint.partition, clinical.joint.regions, clinical.joint.labels) == ("none", (), None)
    assert np.array_equal(clinical.joint.removal.values, clinical.attribution.values)
    image = explainer.explain(tiny_study(), ClinicalRecord())
    assert image.attribution.players == ("image",)
    assert image.cross_modal is None
    assert image.audit is None
    assert image.joint is not None
    assert image.joint.background is None
    assert set(image.joint.removal.players) == set(image.joint.regions)
    assert image.saliency is not None
    assert abs(image.attribution.residual) < 1e-5
    with pytest.raises(ClinicalValueError, match="got neither"):
        explainer.explain(None, ClinicalRecord())


def test_the_joint_account_adds_up_and_its_regions_lie_on_the_image(explainer: Explainer) -> None:
    study = tiny_study()
    for partition in ("lesion", "grid"):
        result = explainer.explain(study, RECORD, partition=partition, parts=("joint",))  # type: ignore[arg-type]
        joint = result.joint
        assert joint is not None
        assert joint.partition == partition
        assert joint.removal.players == ("age", "palpable", "margin", "birads", *joint.regions)
        for account in (joint.removal, joint.removal_probability, joint.background, joint.background_probability):
            assert account is not None
            assert abs(account.residual) < 1e-5
        assert joint.labels_source is not None
        assert joint.labels_source.shape == (90, 120)
        assert set(np.unique(joint.labels_source)) <= set(range(-1, len(joint.regions)))
        assert joint.removal.output == pytest.approx(result.attribution.output)
        assert set(joint.synergy()) == set(RECORD.values)
        assert joint.background is not None
        assert "bootstrap" in joint.background.interval_from
    assert len(joint.regions) == 9


def test_parts_come_one_by_one_after_the_prediction(explainer: Explainer) -> None:
    heard: list[object] = []
    result = explainer.explain(
        tiny_study(), RECORD, parts=("attention", "strip"), on_first=heard.append, on_part=heard.append
    )
    first, *so_far = heard
    assert first.prediction.logits == result.prediction.logits  # type: ignore[attr-defined]
    assert first.input_check.measured is False  # type: ignore[attr-defined]
    assert [e.parts for e in so_far] == [  # type: ignore[attr-defined]
        ("maps",), ("maps", "attention"), ("maps", "attention", "strip"),
    ]  # fmt: skip
    assert result is so_far[-1]
    assert (result.joint, result.questions) == (None, None)
    assert result.audit is not None
    assert result.audit.fields == ("age", "palpable", "margin", "birads")
    assert result.unified is not None
    assert result.unified.difference("margin").shape == (90, 120)
    assert result.strip is not None
    assert any("does not carry" in m for m in result.missing)
    with pytest.raises(ExplanationError, match="got 'maps'"):
        explainer.explain(tiny_study(), RECORD, parts=("maps",))


def test_the_same_question_has_the_same_answer_and_id(explainer: Explainer) -> None:
    study = tiny_study()
    encoded = explainer.predictor.encode(study)
    prediction = explainer.predictor.predict(study, RECORD, encoded=encoded)
    first = explainer.explain(study, RECORD)
    again = explainer.explain(study, RECORD, prediction=prediction, encoded=encoded)
    assert first.id == again.id
    assert by_name(first) == by_name(again)
    others = [
        explainer.explain(study, RECORD, encoded=encoded, seed=1),
        explainer.explain(study, RECORD, encoded=encoded, target_class="benign"),
        explainer.explain(study, SCHEMA.record({"age": 20}), encoded=encoded),
        explainer.explain(tiny_study(seed=1), RECORD),
        explainer.explain(study, RECORD, roi=(20, 20, 60, 60)),
    ]
    assert len({first.id, *(o.id for o in others)}) == 6
    assert others[0].prediction.versions.seed == 1
    assert by_name(others[0]) != by_name(first)
    assert np.allclose(others[1].attribution.values, -first.attribution.values)


def test_a_drawn_region_gets_its_own_number(explainer: Explainer) -> None:
    result = explainer.explain(tiny_study(), RECORD, roi=(10, 10, 60, 80))
    assert result.prediction.lesion_box_source == "reader"
    assert 0 < (by_name(result)["Evidence inside the drawn region"] or 0) < 1
    assert result.geometry["drawn_region"] == [10, 10, 60, 80]


def test_what_cannot_be_explained_is_said(explainer: Explainer) -> None:
    study = tiny_study()
    prediction = explainer.predictor.predict(study, RECORD)
    with pytest.raises(ExplanationError, match="one of benign, malignant; got 'cyst'"):
        explainer.explain(study, RECORD, target_class="cyst")
    with pytest.raises(ExplanationError, match="other inputs"):
        explainer.explain(study, SCHEMA.record({"age": 3}), prediction=prediction)
    foreign = replace(prediction, versions=replace(prediction.versions, bundle_sha256="0"))
    with pytest.raises(ExplanationError, match="another model"):
        explainer.explain(study, RECORD, prediction=foreign)
    with pytest.raises(CancelledError):
        explainer.explain(study, RECORD, cancelled=lambda: True)
    with pytest.raises(DeadlineError):
        explainer.explain(study, RECORD, deadline_s=1e-6)


def test_a_prediction_of_another_image_fails_the_additivity_check(explainer: Explainer) -> None:
    other = explainer.predictor.predict(tiny_study(seed=5), RECORD)
    result = explainer.explain(tiny_study(), RECORD, prediction=other)
    assert result.attribution.withheld
    assert "not shown" in result.reliability[0].verdict


def test_a_bundle_without_a_colour_scale_says_so(explainer: Explainer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(explainer.predictor, "bundle", replace(explainer.predictor.bundle, saliency_reference=None))
    result = explainer.explain(tiny_study(), RECORD)
    assert result.saliency is not None
    assert result.saliency.reference == 1.0
    assert "no measured colour scale" in result.saliency.unit


@pytest.fixture
def quick(tmp_path: Path) -> Iterator[Explainer]:
    """The tiny network on a CNN of few layers: what costs time here is the number of calls, not their size."""
    arch = replace(ARCH, backbone="test_resnet", depth=1)
    bundle = load_bundle(write_tiny_bundle(tmp_path / "quick", arch=arch, network=tiny_network(arch)))
    predictor = Predictor(bundle, device="cpu")
    yield Explainer(predictor)
    predictor.close()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_two_hundred_explanations_from_eight_threads_are_nobody_elses(quick: Explainer) -> None:
    """Every other thread explains from a shared encoding, as the page does; the others encode for themselves."""
    explainer, parts = quick, ("attention",)
    cases = [(tiny_study(seed=i), SCHEMA.record({"age": 20 + 2 * i, "palpable": i % 2 == 0})) for i in range(25)]
    encoded = [explainer.predictor.encode(s) for s, _ in cases]
    serial = [explainer.explain(s, r, encoded=e, parts=parts) for (s, r), e in zip(cases, encoded, strict=True)]
    parallel: dict[tuple[int, int], Explanation] = {}

    def ask(thread: int) -> None:
        for i in np.random.default_rng(thread).permutation(len(cases)):
            shared = encoded[i] if thread % 2 else None
            parallel[thread, int(i)] = explainer.explain(*cases[i], encoded=shared, parts=parts)

    threads = [threading.Thread(target=ask, args=(i,)) for i in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(parallel) == 200
    for (_, i), got in parallel.items():
        assert got.id == serial[i].id
        assert got.prediction.logits == serial[i].prediction.logits
        assert np.array_equal(got.attribution.values, serial[i].attribution.values)
        for one, other in (
            (got.saliency, serial[i].saliency),
            (got.rollout, serial[i].rollout),
            (got.unified, serial[i].unified),
        ):
            assert one is not None
            assert other is not None
            assert np.array_equal(one.grid, other.grid)
        assert got.audit is not None
        assert serial[i].audit is not None
        assert np.array_equal(got.audit.effect, serial[i].audit.effect)
    assert len({s.id for s in serial}) == 25
    assert len({float(s.saliency.grid.sum()) for s in serial if s.saliency}) == 25


def test_sampled_orders_agree_with_the_exact_account(explainer: Explainer, monkeypatch: pytest.MonkeyPatch) -> None:
    exact = explainer.explain(tiny_study(), RECORD)
    monkeypatch.setattr(stability, "EXACT_PLAYERS", 2)
    sampled = explainer.explain(tiny_study(), RECORD)
    how = {n.name: n.computed_from for n in sampled.reliability}
    assert "64 sampled orders, seed 0" in how["Attribution stability under noise (Pearson)"]
    for name, value in by_name(exact).items():
        assert by_name(sampled)[name] == pytest.approx(value, abs=0.05)


def test_sampled_orders_let_players_in_one_by_one() -> None:
    assert stability._permutation_rows(stability.EXACT_PLAYERS, np.random.default_rng(0)) is None
    rows = stability._permutation_rows(12, np.random.default_rng(0))
    assert rows is not None
    assert rows.shape == (64, 13, 12)
    assert not rows[:, 0].any()
    assert rows[:, -1].all()
    assert (np.diff(rows.sum(2), axis=1) == 1).all()
    pair = 6.0 * rows[..., 2] * rows[..., 7]  # an interaction is shared in halves, exactly so by order and reverse
    values = stability._from_permutations(rows, rows @ np.arange(12.0) + pair)
    expected = np.arange(12.0)
    expected[[2, 7]] += 3
    assert np.allclose(values, expected)
