from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mmxai_core.cli import main as cli
from mmxai_core.cli import samples
from mmxai_core.cli.main import main

COMMANDS = ("predict", "explain", "evaluate", "train", "benchmark", "fetch", "samples")


def process(*args: str, code: str | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code] if code else [sys.executable, "-m", "mmxai_core"]
    return subprocess.run(
        [*command, *args], capture_output=True, text=True, cwd=cli.__file__.split("mmxai_core")[0], timeout=120,
        env={**os.environ, "OMP_NUM_THREADS": "1"}, check=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ([], "required: COMMAND"),
        (["diagnose"], "invalid choice: 'diagnose'"),
        (["predict", "--image", "a.png"], "required: --bundle"),
        (["predict", "--bundle", "b", "--images", "a.png"], "unrecognized arguments: --images"),
        (["evaluate", "--bundle", "b"], "one of the arguments --cohort --manifest is required"),
        (["evaluate", "--bundle", "b", "--cohort", "a", "--manifest", "c.csv"], "not allowed with"),
        (["evaluate", "--bundle", "b", "--cohort", "bus_bra", "--bootstrap", "0"], "--bootstrap must be at least 1"),
        (["evaluate", "--bundle", "b", "--cohort", "bus_bra", "--bootstrap", "many"], "invalid int value: 'many'"),
        (["evaluate", "--bundle", "b", "--cohort", "bus_bra", "--known", "histroy"], "got 'histroy'"),
        (["fetch", "mammography"], "can be fetched; got 'mammography'"),
    ],
)
def test_bad_usage_is_one_line_and_exit_2(args: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(args) == 2
    out, err = capsys.readouterr()
    assert out == "" and said in err and len(err.splitlines()) == 1


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as leaving:
        main([command, "--help"])
    assert leaving.value.code == 0 and "--json" in capsys.readouterr().out


def test_usage_errors_do_not_wait_for_torch() -> None:
    code = (
        "import sys; from mmxai_core.cli.main import main; rc = main(['predict', '--image', 'a']);"
        "print(rc, sorted({'torch', 'pandas', 'scipy', 'matplotlib', 'pydicom'} & set(sys.modules)))"
    )
    assert process(code=code).stdout.strip() == "2 []"


def test_module_runs_as_a_process() -> None:
    done = process("predict", "--bundle", "none", "--image", "nowhere.png")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: Cannot open image nowhere.png: No such file or directory.\n"


def test_interrupt_is_130(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupt(args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(samples, "run", interrupt)
    assert main(["samples", "--out", "x"]) == 130
    assert capsys.readouterr().err == "error: Interrupted.\n"


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("in the way")
    assert main(["samples", "--out", str(tmp_path / "file" / "below")]) == 2
    err = capsys.readouterr().err
    assert len(err.splitlines()) == 1 and "file" in err


def test_a_defect_is_said_in_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv("MMXAI_DEBUG", raising=False)
    cli.say_defect(ZeroDivisionError, ZeroDivisionError("division\nby zero"), None)
    err = capsys.readouterr().err
    assert err == "error: internal error, ZeroDivisionError: division by zero; set MMXAI_DEBUG=1 for details\n"


def test_samples_prints_one_json_object(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["samples", "--out", str(tmp_path / "samples"), "--json"]) == 0
    out, err = capsys.readouterr()
    files = json.loads(out)["files"]
    assert len(out.splitlines()) == 1 and "samples" in err
    assert all(Path(f).is_file() for f in files) and sum(f.endswith(".dcm") for f in files) == 10
