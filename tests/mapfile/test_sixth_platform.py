"""A sixth platform by data alone: an annotation server, whose cases were reasoned out before they ran."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner

from rolebridge.bridge.testing import read_and_run
from rolebridge.cli.main import cli
from rolebridge.mapfile import read_mapping_dir

SIXTH = Path(__file__).parent / "sixth"


def test_the_cases_of_a_sixth_platform_pass() -> None:
    """Unique owners, aliases, parts, prerequisites, account kinds and settings, with no line of Python."""
    run = read_and_run(read_mapping_dir(SIXTH))
    assert run.diagnostics == ()
    assert (len(run.results), run.failed) == (6, ())


def test_its_catalogue_is_shown_like_the_others() -> None:
    """`rolebridge catalogue --mappings` knows the catalogues of a folder; files with errors are sent to `check`."""
    result = CliRunner().invoke(cli, ["catalogue", "cvat", "--mappings", str(SIXTH)])
    assert result.exit_code == 0, result.output
    assert "sees nothing until work is assigned" in result.stdout
    assert CliRunner().invoke(cli, ["catalogue", "cvat"]).exit_code != 0


def test_files_with_errors_show_no_catalogue(tmp_path: Path) -> None:
    """Half a set of files is not looked at."""
    (tmp_path / "w.yaml").write_text("workspace: w\nplatform: none\nrules: []\n", encoding="utf-8")
    result = CliRunner().invoke(cli, ["catalogue", "--mappings", str(tmp_path)])
    assert result.exit_code != 0
    assert "rolebridge check" in result.stderr
