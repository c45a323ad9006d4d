from __future__ import annotations

from pathlib import Path

import pytest
from generated_dicom import write_table

from mmxai_core.cohorts import tcga_brca, tcga_gbm, tcga_lgg, tcga_luad
from mmxai_core.cohorts.tcga_cohort import common, karnofsky, nodal_status, stage_group
from mmxai_core.cohorts.tcga_tables import Patient, read_patients

A, B = "TCGA-AA-0001", "TCGA-AA-0002"


def patient(**facts: str) -> Patient:
    return Patient(A, {k.replace("__", ":"): v for k, v in facts.items()})


def test_gdc_2019_layout(tmp_path: Path) -> None:
    write_table(tmp_path / "clinical.tsv", [
        ["case_id", "submitter_id", "project_id", "gender", "age_at_diagnosis", "tumor_stage", "prior_malignancy"],
        ["u", A, "TCGA-BRCA", "female", "18263", "stage iiia", "not reported"],
        ["u", B, "TCGA-LUAD", "male", "18263", "stage i", "no"],
    ])  # fmt: skip
    found = read_patients(tmp_path, "TCGA-BRCA")
    assert list(found) == [A]
    assert common(found[A]) == {"age": 50.0, "sex": "female"}
    assert stage_group(found[A]) == "advanced"


def test_gdc_2021_layout_has_one_row_a_treatment(tmp_path: Path) -> None:
    header = ["case_id", "case_submitter_id", "project_id", "age_at_index", "ajcc_pathologic_stage",
              "ajcc_pathologic_n", "residual_disease", "treatment_type", "residual_disease"]  # fmt: skip
    row = ["u", A, "TCGA-BRCA", "61", "Stage IIB", "N1mi", "'--"]
    write_table(tmp_path / "clinical.tsv", [header, [*row, "Radiation", "'--"], [*row, "Chemotherapy", "R0"]])
    (found,) = read_patients(tmp_path, "TCGA-BRCA").values()
    assert (stage_group(found), nodal_status(found), common(found)) == ("early", "node-positive", {"age": 61.0})
    assert found.get("gdc:residual_disease.1") == "R0"


def test_newest_gdc_layout_takes_the_primary_diagnosis_first(tmp_path: Path) -> None:
    header = ["cases.submitter_id", "project.project_id", "demographic.gender", "demographic.age_at_index",
              "diagnoses.submitter_id", "diagnoses.ajcc_pathologic_stage", "diagnoses.diagnosis_is_primary_disease",
              "treatments.treatment_type"]  # fmt: skip
    write_table(tmp_path / "a" / "clinical.tsv", [
        header,
        [A, "TCGA-LUAD", "male", "70", "d2", "Stage IV", "false", "'--"],
        [A, "TCGA-LUAD", "male", "70", "d1", "Stage IA", "true", "Surgery"],
    ])  # fmt: skip
    write_table(tmp_path / "a" / "exposure.tsv", [
        ["cases.submitter_id", "exposures.pack_years_smoked", "exposures.tobacco_smoking_status"],
        [A, "32.5", "Current Smoker"],
    ])  # fmt: skip
    (found,) = read_patients(tmp_path, "TCGA-LUAD").values()
    assert stage_group(found) == "early"
    assert tcga_luad.clinical(found) == {"age": 70.0, "sex": "male", "pack_years": 32.5, "smoking": "current"}


def test_cbioportal_download_layout(tmp_path: Path) -> None:
    (tmp_path / "data_clinical_patient.txt").write_text(
        "#Patient\tage\tMonths\tStatus\n#STRING\tNUMBER\tNUMBER\tSTRING\nPATIENT_ID\tAGE\tOS_MONTHS\tOS_STATUS\n"
        f"{A}\t44\t5.0\t1:DECEASED\n{B}\tNA\t5.0\t0:LIVING\n"
    )
    found = read_patients(tmp_path, "TCGA-GBM")
    assert [tcga_gbm.survival(p) for p in found.values()] == ["died", None]
    assert common(found[A]) == {"age": 44.0}


def test_two_tables_agree_on_who_speaks_first(tmp_path: Path) -> None:
    """A biotab's age is in years, a GDC export's in days; a discrepancy is not settled by another table."""
    root = tmp_path / "images_only"
    root.mkdir()
    write_table(tmp_path / "clinical" / "nationwidechildrens.org_clinical_patient_lgg.txt", [
        ["bcr_patient_uuid", "bcr_patient_barcode", "tumor_grade", "age_at_initial_pathologic_diagnosis"],
        ["bcr_patient_uuid", "bcr_patient_barcode", "neoplasm_histologic_grade", "age"],
        ["CDE_ID:", "CDE_ID:1", "CDE_ID:2", "CDE_ID:3"],
        ["u", A, "[Discrepancy]", "33"],
        ["u", B, "[Not Available]", "[Not Available]"],
    ])  # fmt: skip
    write_table(root / "data.csv", [["Patient", "neoplasm_histologic_grade", "gender"],
                                    ["TCGA_AA_0001", "2", "1"], ["TCGA_AA_0002", "1", "2"]], ";")  # fmt: skip
    found = read_patients(root, "TCGA-LGG")
    assert [tcga_lgg.grade(p) for p in found.values()] == [None, "grade 2"]
    assert tcga_lgg.clinical(found[A]) == {"age": 33.0, "sex": "female"}
    assert tcga_lgg.clinical(found[B]) == {"sex": "male"}
    assert read_patients(root, "TCGA-GBM") == {}


@pytest.mark.parametrize(
    ("death", "contact", "label"),
    [
        ("365", None, "died"),
        ("366", None, "survived"),
        (None, "364", None),
        (None, "900", "survived"),
        (None, None, None),
    ],
)
def test_one_year_survival_needs_follow_up(death: str | None, contact: str | None, label: str | None) -> None:
    facts = {"biotab:death_days_to": death, "biotab:last_contact_days_to": contact}
    assert tcga_gbm.survival(Patient(A, {k: v for k, v in facts.items() if v})) == label


@pytest.mark.parametrize(
    ("nodes", "label"),
    [
        ("N0 (i+)", "node-negative"),
        ("N0", "node-negative"),
        ("N1mi", "node-positive"),
        ("N3b", "node-positive"),
        ("NX", None),
    ],
)
def test_nodal_status(nodes: str, label: str | None) -> None:
    assert nodal_status(patient(biotab__ajcc_nodes_pathologic_pn=nodes)) == label


def test_score_after_treatment_is_not_used() -> None:
    facts = {"biotab__karnofsky_score": "80", "biotab__performance_status_timing": "Pre-Operative"}
    assert karnofsky(patient(**facts)) == 80
    assert karnofsky(patient(**facts | {"biotab__performance_status_timing": "Post-Adjuvant Therapy"})) is None


def test_equivocal_her2_is_settled_by_hybridisation() -> None:
    equivocal = {"biotab__her2_status_by_ihc": "Equivocal"}
    assert "her2" not in tcga_brca.clinical(patient(**equivocal))
    assert tcga_brca.clinical(patient(**equivocal, biotab__her2_fish_status="Positive"))["her2"] is True


@pytest.mark.data
def test_real_tables(data_dir: Path) -> None:
    root = data_dir / "tcga_clinical_tables"
    expected = {
        tcga_brca: (1099, {"nodal_status": (517, 562), "stage": (808, 272)}),
        tcga_luad: (522, {"stage": (408, 112), "nodal_status": (335, 175)}),
        tcga_lgg: (515, {"grade": (249, 265)}),
        tcga_gbm: (596, {"survival_1y": (254, 230)}),
    }
    for adapter, (count, tasks) in expected.items():
        project = adapter.NAME.upper().replace("_", "-")
        patients = read_patients(root, project)
        biotab = [p for p in patients.values() if "biotab:bcr_patient_uuid" in p.facts]
        assert len(biotab) == count
        for task in adapter._TASKS:
            labels = [task.label_of(p) for p in patients.values()]
            if task.name in tasks:
                assert tuple(labels.count(c) for c in task.classes) == tasks[task.name]
        for found in biotab:
            values = {k: v for k, v in adapter.clinical(found).items() if k != "fev1_percent"}
            adapter.schema().record(values)
            assert common(found)["sex"] in ("female", "male")


@pytest.mark.data
def test_real_gdc_export_alone(data_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "clinical.tsv").write_bytes(
        (data_dir / "tcga_clinical_tables" / "gdc_TCGA-BRCA_clinical.tsv").read_bytes()
    )
    patients = read_patients(tmp_path, "TCGA-BRCA")
    assert len(patients) == 1084
    ages = [common(p).get("age") for p in patients.values()]
    assert sum(a is None for a in ages) == 15
    assert 26 <= min(a for a in ages if a) <= max(a for a in ages if a) <= 90
    both = read_patients(data_dir / "tcga_clinical_tables", "TCGA-BRCA")
    stages = [(stage_group(p), stage_group(both[b])) for b, p in patients.items()]
    assert sum(gdc == biotab for gdc, biotab in stages) == 1079
    assert all(gdc is None for gdc, biotab in stages if gdc != biotab)  # the export states no stage for five
