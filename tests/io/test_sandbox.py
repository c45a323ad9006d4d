"""The child: what it may use, how its end is told, and that the server stays whole."""

from __future__ import annotations

import io
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256

import numpy as np
import pytest
from PIL import Image

from mmxai_core.errors import StudyReadError
from mmxai_core.io import SUPPORTED_EXTENSIONS, ReadLimits, read_files, read_study, sandbox

MIB = 1024 * 1024


def png(shape=(40, 30), seed: int = 0) -> bytes:
    out = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)).save(out, "PNG")
    return out.getvalue()


@pytest.fixture
def no_spare(monkeypatch):
    """A test that replaces the child's command must neither use nor leave a spare."""
    monkeypatch.setattr(sandbox, "_take_spare", lambda: None)
    monkeypatch.setattr(sandbox, "_replace_spare", lambda: None)
    return lambda *code: monkeypatch.setattr(sandbox, "_COMMAND", (sys.executable, "-c", "\n".join(code)))


def test_a_study_crosses_whole(make_dicom, read_here):
    frames = np.random.default_rng(1).integers(0, 4000, (3, 20, 30)).astype(np.uint16)
    data = make_dicom(frames, PixelSpacing=[0.5, 0.25], PatientAge="050Y", PatientSex="F", ImageLaterality="R")
    there, here = read_study(data, "a.dcm"), read_here(data)
    assert there.sha256 == sha256(data).hexdigest()
    assert (there.patient_age_years, there.patient_sex, there.notes) == (50.0, "F", here.notes)
    for a, b in zip(there.images, here.images, strict=True):
        np.testing.assert_array_equal(a.pixels, b.pixels)
        assert (a.geometry, a.label, a.laterality, a.value_range, a.display) == (
            b.geometry, b.label, b.laterality, b.value_range, b.display,
        )  # fmt: skip


def test_several_files_are_one_study_whatever_their_order(make_dicom):
    files = [(f"{n}.png", png(seed=n)) for n in range(2)]
    first, second = read_files(files), read_files(files[::-1])
    assert [i.label for i in first.images] == ["0", "1"] == [i.label for i in second.images]
    assert first.sha256 == second.sha256


def test_a_volume_in_a_zip_crosses_too(tmp_path, make_zip):
    import SimpleITK as sitk  # noqa: N813  # its own short name

    voxels = np.arange(60, dtype=np.int16).reshape(3, 4, 5)
    sitk.WriteImage(sitk.GetImageFromArray(voxels), str(tmp_path / "v.nii.gz"))
    study = read_study(make_zip({"v.nii.gz": (tmp_path / "v.nii.gz").read_bytes()}), "v.zip")
    assert study.source_format == "zip" and len(study.images) == 3
    assert study.images[2].pixels.max() == 1.0


def test_threads_get_their_own_study():
    uploads = [png(seed=n) for n in range(6)]
    with ThreadPoolExecutor(3) as pool:
        studies = list(pool.map(lambda data: read_study(data, "x.png"), uploads))
    for data, study in zip(uploads, studies, strict=True):
        np.testing.assert_array_equal(np.rint(study.images[0].pixels * 255), np.asarray(Image.open(io.BytesIO(data))))


def test_memory_is_limited(make_dicom):
    data = make_dicom(np.zeros((3000, 3000), np.uint16), WindowCenter=40, WindowWidth=400)
    with pytest.raises(StudyReadError, match="more than 24 MiB of memory"):
        read_study(data, "big.dcm", limits=ReadLimits(memory_bytes=24 * MIB))
    assert len(read_study(data, "big.dcm").images) == 1


def test_huge_codestream_behind_a_small_header_is_contained(make_dataset, encode_dataset, ramp8):
    """A JPEG 2000 stream of 30,000 x 30,000 in an object that says 16 x 16: only the memory limit can stop it."""
    from pydicom.encaps import encapsulate
    from pydicom.uid import JPEG2000Lossless

    ds = make_dataset(np.tile(ramp8, (4, 4)))
    ds.compress(JPEG2000Lossless, generate_instance_uid=False)
    stream = next(iter_frames(ds))
    at = stream.index(b"\xff\x51") + 6  # SIZ: marker, length, capabilities, then width and height
    big = (30000).to_bytes(4, "big")
    huge = bytearray(stream)
    huge[at : at + 8] = big + big
    huge[at + 16 : at + 24] = big + big  # one tile of that size
    ds.PixelData = encapsulate([bytes(huge)])
    costs: list[sandbox.ReadCost] = []
    with pytest.raises(StudyReadError):
        sandbox.read_in_child([("a.dcm", encode_dataset(ds))], ReadLimits(seconds=20), observe=costs.append)
    assert costs[0].peak_bytes is None or costs[0].peak_bytes < 1024 * MIB


def iter_frames(ds):
    from pydicom.encaps import generate_frames

    return generate_frames(ds.PixelData, number_of_frames=1)


def test_time_is_limited(no_spare):
    no_spare("import time", "time.sleep(60)")
    started = time.monotonic()
    with pytest.raises(StudyReadError, match=r"longer than 0\.5 seconds"):
        read_study(png(), "a.png", limits=ReadLimits(seconds=0.5))
    assert time.monotonic() - started < 5


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import os; os.kill(os.getpid(), 11)", "SIGSEGV"),
        ("import os; os.abort()", "SIGABRT"),
        ("import os; os.kill(os.getpid(), 9)", "too much memory"),
        ("raise RuntimeError('Secretname')", "its decoder stopped"),
        ("import sys; sys.stdin.buffer.read(); sys.stdout.buffer.write(b'\\xff' * 100)", "its decoder stopped"),
        ("import sys; sys.stdin.buffer.read(); sys.stdout.buffer.write(b'\\x02\\0\\0\\0{}')", "its decoder stopped"),
    ],
)
def test_every_end_of_the_child_is_one_sentence(no_spare, code, said):
    no_spare(code)
    with pytest.raises(StudyReadError, match=said) as error:
        read_study(png(), "a.png")
    assert "\n" not in str(error.value) and "Secretname" not in str(error.value)


def test_large_upload_to_a_child_that_does_not_read_ends_too(no_spare):
    no_spare("import time", "time.sleep(60)")
    with pytest.raises(StudyReadError, match="longer than 1 seconds"):
        read_study(b"\0" * (8 * MIB), "a.dcm", limits=ReadLimits(seconds=1))


def test_a_dead_spare_is_replaced():
    read_study(png(), "a.png")
    spare = sandbox._spare
    assert spare is not None
    spare.kill()
    spare.wait()
    assert len(read_study(png(), "a.png").images) == 1


def test_upload_limits_hold_before_a_child_is_asked(no_spare):
    no_spare("raise SystemExit(1)")
    with pytest.raises(StudyReadError, match=r"the limit is 1\.0 MiB"):
        read_study(b"\0" * (2 * MIB), "a", limits=ReadLimits(upload_bytes=MIB))
    with pytest.raises(StudyReadError, match=r"empty \(0 bytes\)"):
        read_study(b"", "a.dcm")
    with pytest.raises(StudyReadError, match="No file"):
        read_files([])


def test_the_server_loads_no_parser_and_the_child_no_network():
    server = (
        "import sys, mmxai_core.io; print([m for m in ('pydicom', 'PIL', 'SimpleITK', 'torch') if m in sys.modules])"
    )
    child = (
        "import sys, mmxai_core.io.worker as w; w._warm_up(); "
        "print([m for m in ('torch', 'streamlit', 'SimpleITK') if m in sys.modules])"
    )
    for code in (server, child):
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, cwd=sandbox._ROOT, check=True
        )
        assert done.stdout.strip() == "[]"


def test_limits_must_be_positive():
    with pytest.raises(ValueError, match="seconds"):
        ReadLimits(seconds=0)


def test_extensions_are_plain():
    assert {"dcm", "nii.gz", "png", "zip"} <= set(SUPPORTED_EXTENSIONS)
    assert all(e == e.lower() and not e.startswith(".") for e in SUPPORTED_EXTENSIONS)
