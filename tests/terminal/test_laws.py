from pathlib import Path

from tests.commands import called


def test_too_few_groups_are_told_once(tmp_path: Path) -> None:
    (tmp_path / "n_c.csv").write_text("group,order,d,n_c\nZ11,11,1,72\nZ13,13,1,91\n")
    said = called("fit", "--thresholds", tmp_path / "n_c.csv").stdout
    assert said.count("too few groups have a threshold") == 1
