"""Downloads against a server on this machine: whole, broken off, resumed, wrong, absent."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import re
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from mmxai_core.cohorts.download import download
from mmxai_core.cohorts.fetch import SOURCES, fetch, progress_bar, read_manifest
from mmxai_core.errors import CancelledError, CohortError

QUICK = {"timeout_s": 5.0, "wait_s": 0.0}
BUS = {
    "Images/bus_0001-l.png": bytes(range(256)) * 600,
    "Masks/mask_0001-l.png": b"mask" * 50,
    "bus_data.csv": b"ID,Case\nbus_0001-l,1\n",
}


@dataclass
class Site:
    """What the server offers and what it was asked."""

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    cut_after: int | None = None
    cuts: int = 0
    etag: str | None = '"v1"'
    status: int | None = None
    ranges: list[str | None] = field(default_factory=list)


@pytest.fixture
def site() -> Iterator[Site]:
    state = Site()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *args: object) -> None: ...

        def do_GET(self) -> None:
            state.ranges.append(self.headers.get("Range"))
            body = state.files.get(self.path.lstrip("/").split("?")[0])
            if state.status or body is None:
                self.send_error(state.status or 404)
                return
            start = 0
            asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
            if asked and self.headers.get("If-Range", state.etag) == state.etag:
                start = int(asked[1])
                if start >= len(body):
                    self.send_response(416)
                    self.send_header("Content-Range", f"bytes */{len(body)}")
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                self.send_response(206)
                self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
            else:
                self.send_response(200)
            if state.etag:
                self.send_header("ETag", state.etag)
            self.send_header("Content-Length", str(len(body) - start))
            self.end_headers()
            end = len(body)
            if state.cut_after is not None and state.cuts > 0:
                state.cuts -= 1
                end = min(end, start + state.cut_after)
            self.wfile.write(body[start:end])

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_port}"
    yield state
    server.shutdown()
    server.server_close()
    thread.join()


def zipped(files: dict[str, bytes], folder: str = "BUSBRA/") -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in files.items():
            archive.writestr(folder + name, content)
        archive.writestr("__MACOSX/junk", b"junk")
    return out.getvalue()


def write_manifest(path: Path, files: dict[str, bytes]) -> Path:
    with path.open("w", newline="") as out:
        rows = csv.writer(out)
        rows.writerow(["path", "bytes", "sha256"])
        for name, content in files.items():
            digest = base64.b64encode(hashlib.sha256(content).digest()).decode().rstrip("=")
            rows.writerow([name, len(content), digest])
    return path


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    return write_manifest(tmp_path / "bus.csv", BUS)


def test_a_cohort_arrives_whole_in_its_upstream_layout(site: Site, tmp_path: Path, manifest: Path) -> None:
    site.files["BUSBRA.zip"] = zipped(BUS)
    steps: list[tuple[str, int, int | None]] = []
    out = tmp_path / "bus"
    done = fetch(
        "bus_bra", out, base_url=site.url, manifest=manifest, progress=lambda *step: steps.append(step), **QUICK
    )
    assert {str(p.relative_to(out)): p.read_bytes() for p in out.rglob("*") if p.is_file()} == BUS
    assert (done.files, done.kept, done.downloaded_bytes) == (3, 0, len(site.files["BUSBRA.zip"]))
    assert ("BUSBRA.zip", done.downloaded_bytes, done.downloaded_bytes) in steps
    assert steps[-1] == ("Unpacking", 3, 3)


def test_a_second_run_downloads_nothing_and_a_third_mends_what_was_changed(
    site: Site, tmp_path: Path, manifest: Path
) -> None:
    site.files["BUSBRA.zip"] = zipped(BUS)
    out = tmp_path / "bus"
    fetch("bus_bra", out, base_url=site.url, manifest=manifest, **QUICK)
    asked = len(site.ranges)
    assert fetch("bus_bra", out, base_url=site.url, manifest=manifest, **QUICK).kept == 3
    assert len(site.ranges) == asked
    (out / "Masks/mask_0001-l.png").write_bytes(b"damaged")
    assert fetch("bus_bra", out, base_url=site.url, manifest=manifest, **QUICK).kept == 2
    assert (out / "Masks/mask_0001-l.png").read_bytes() == BUS["Masks/mask_0001-l.png"]


def test_single_files_and_archives_of_one_cohort_are_both_fetched(site: Site, tmp_path: Path) -> None:
    xlsx, archive = (remote.name for remote in SOURCES["breast_lesions_usg"])
    files = {xlsx: b"table", "BrEaST-Lesions_USG-images_and_masks/case001.png": b"png"}
    listed = write_manifest(tmp_path / "list.csv", files)
    site.files = {xlsx: b"table", archive: zipped({k: v for k, v in files.items() if k != xlsx}, folder="")}
    out = tmp_path / "breast"
    fetch("breast_lesions_usg", out, base_url=site.url + "/", manifest=listed, **QUICK)
    assert {str(p.relative_to(out)): p.read_bytes() for p in out.rglob("*") if p.is_file()} == files


def test_a_broken_connection_is_resumed_where_it_broke(site: Site, tmp_path: Path, manifest: Path) -> None:
    site.files["BUSBRA.zip"] = zipped(BUS)
    site.cut_after, site.cuts = 50_000, 2
    fetch("bus_bra", tmp_path / "bus", base_url=site.url, manifest=manifest, **QUICK)
    assert site.ranges == [None, "bytes=50000-", "bytes=100000-"]


def test_the_next_run_goes_on_where_the_last_one_gave_up(site: Site, tmp_path: Path, manifest: Path) -> None:
    site.files["BUSBRA.zip"] = zipped(BUS)
    site.cut_after, site.cuts = 40_000, 1
    out = tmp_path / "bus"
    with pytest.raises(CohortError, match=r"broke off at 40,000 of [\d,]+ bytes. Run the same command again"):
        fetch("bus_bra", out, base_url=site.url, manifest=manifest, attempts=1, **QUICK)
    assert not (out / ".download" / "BUSBRA.zip").exists()
    fetch("bus_bra", out, base_url=site.url, manifest=manifest, attempts=1, **QUICK)
    assert site.ranges == [None, "bytes=40000-"]


def test_a_cancelled_download_is_kept_and_resumed(site: Site, tmp_path: Path) -> None:
    content = b"x" * 600_000
    site.files["f"] = content

    def cancel(what: str, done: int, total: int | None) -> None:
        raise CancelledError("Cancelled.")

    with pytest.raises(CancelledError):
        download(f"{site.url}/f", tmp_path / "f", progress=cancel)
    kept = (tmp_path / "f.part").stat().st_size
    assert 0 < kept < len(content)
    assert download(f"{site.url}/f", tmp_path / "f") == len(content)
    assert site.ranges[-1] == f"bytes={kept}-"
    assert (tmp_path / "f").read_bytes() == content


def test_a_file_that_changed_meanwhile_is_not_spliced(site: Site, tmp_path: Path) -> None:
    site.files["f"], site.cut_after, site.cuts = b"old" * 1000, 300, 1
    with pytest.raises(CohortError):
        download(f"{site.url}/f", tmp_path / "f", attempts=1)
    site.files["f"], site.etag = b"new" * 1000, '"v2"'
    download(f"{site.url}/f", tmp_path / "f", attempts=1)
    assert (tmp_path / "f").read_bytes() == b"new" * 1000


def test_a_complete_part_is_taken_and_an_overlong_one_replaced(site: Site, tmp_path: Path) -> None:
    site.files["f"] = b"whole"
    for left_over in (b"whole", b"much longer than whole"):
        (tmp_path / "f.part").write_bytes(left_over)
        assert download(f"{site.url}/f", tmp_path / "f", wait_s=0.0) == 5
        assert (tmp_path / "f").read_bytes() == b"whole"


def test_a_wrong_hash_names_the_file_and_leaves_nothing_behind(site: Site, tmp_path: Path, manifest: Path) -> None:
    site.files["BUSBRA.zip"] = zipped({**BUS, "Masks/mask_0001-l.png": b"other"})
    out = tmp_path / "bus"
    with pytest.raises(CohortError, match=r"Masks/mask_0001-l.png from BUSBRA.zip: SHA-256 .* run the command again"):
        fetch("bus_bra", out, base_url=site.url, manifest=manifest, **QUICK)
    assert not (out / "Masks/mask_0001-l.png").exists()
    assert not (out / ".download" / "BUSBRA.zip").exists()


def test_line_ends_of_text_files_may_differ_but_not_their_text(site: Site, tmp_path: Path, manifest: Path) -> None:
    windows = BUS["bus_data.csv"].replace(b"\n", b"\r\n")
    site.files["BUSBRA.zip"] = zipped({**BUS, "bus_data.csv": windows})
    fetch("bus_bra", tmp_path / "a", base_url=site.url, manifest=manifest, **QUICK)
    assert (tmp_path / "a/bus_data.csv").read_bytes() == windows
    site.files["BUSBRA.zip"] = zipped({**BUS, "bus_data.csv": b"ID,Case\nbus_0001-l,2\n"})
    with pytest.raises(CohortError, match=r"bus_data\.csv"):
        fetch("bus_bra", tmp_path / "b", base_url=site.url, manifest=manifest, **QUICK)


def test_an_archive_that_is_none_and_one_that_lacks_a_file(site: Site, tmp_path: Path, manifest: Path) -> None:
    site.files["BUSBRA.zip"] = b"<html>not a zip</html>"
    with pytest.raises(CohortError, match="not a whole zip archive"):
        fetch("bus_bra", tmp_path / "a", base_url=site.url, manifest=manifest, **QUICK)
    site.files["BUSBRA.zip"] = zipped({"bus_data.csv": BUS["bus_data.csv"]})
    with pytest.raises(CohortError, match=r"has no file Images/bus_0001-l\.png"):
        fetch("bus_bra", tmp_path / "b", base_url=site.url, manifest=manifest, **QUICK)


def test_absent_file_and_busy_server_are_told_apart(site: Site, tmp_path: Path, manifest: Path) -> None:
    with pytest.raises(CohortError, match="HTTP 404"):
        fetch("bus_bra", tmp_path / "bus", base_url=site.url, manifest=manifest, **QUICK)
    assert len(site.ranges) == 1  # asking again would not help
    site.status = 503
    with pytest.raises(CohortError, match=r"HTTP 503 .* again"):
        fetch("bus_bra", tmp_path / "bus", base_url=site.url, manifest=manifest, attempts=3, **QUICK)
    assert len(site.ranges) == 4


def test_no_connection_is_one_sentence(tmp_path: Path, manifest: Path) -> None:
    with pytest.raises(CohortError, match=r"no connection to 127\.0\.0\.1:9"):
        fetch("bus_bra", tmp_path, base_url="http://127.0.0.1:9", manifest=manifest, attempts=2, **QUICK)


def test_bad_arguments_are_refused(tmp_path: Path, manifest: Path) -> None:
    with pytest.raises(CohortError, match="tcga_brca"):
        fetch("tcga_brca", tmp_path)
    with pytest.raises(CohortError, match="http"):
        fetch("bus_bra", tmp_path, base_url="file:///etc", manifest=manifest)
    (tmp_path / "taken").write_text("")
    with pytest.raises(CohortError, match="annot write to"):
        fetch("bus_bra", tmp_path / "taken", base_url="http://127.0.0.1:9", manifest=manifest, **QUICK)


def test_a_list_that_leaves_the_folder_or_is_malformed_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CohortError, match="below"):
        read_manifest(write_manifest(tmp_path / "a.csv", {"../evil": b""}))
    (tmp_path / "b.csv").write_text("path,bytes,sha256\na,1,!!\n")
    with pytest.raises(CohortError, match="malformed"):
        read_manifest(tmp_path / "b.csv")


def test_shipped_lists_hold_every_published_file() -> None:
    folder = Path(__file__).resolve().parents[2] / "mmxai_core" / "cohorts" / "sources"
    breast, bus = (read_manifest(folder / f"{name}.csv") for name in SOURCES)
    assert sum(name.endswith(".png") and "_tumor" not in name and "_other" not in name for name in breast) == 256
    assert len(breast["BrEaST-Lesions-USG-clinical-data-Dec-15-2023.xlsx"]) == 2
    assert sum(name.startswith("Images/") for name in bus) == sum(name.startswith("Masks/") for name in bus) == 1875
    assert all(len(digest) == 64 for files in (breast, bus) for accepted in files.values() for digest in accepted)


@pytest.mark.data
def test_shipped_list_agrees_with_a_real_original(data_dir: Path) -> None:
    folder = Path(__file__).resolve().parents[2] / "mmxai_core" / "cohorts" / "sources"
    listed = read_manifest(folder / "breast_lesions_usg.csv")
    original = next(iter(sorted((data_dir / "breast_lesions_usg" / "originals_rgba").glob("case*.png"))))
    digest = hashlib.sha256(original.read_bytes()).hexdigest()
    assert digest in listed[f"BrEaST-Lesions_USG-images_and_masks/{original.name}"]


def test_progress_bar_writes_to_stderr_only(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bar() as show:
        show("Checking files", 1, 2)
        show("BUSBRA.zip", 10, 20)
        show("BUSBRA.zip", 20, 20)
    seen = capsys.readouterr()
    assert seen.out == "" and "BUSBRA.zip" in seen.err and "100%" in seen.err
