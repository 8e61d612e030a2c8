"""Results on an object store: a server that speaks S3, on this machine."""

import logging
import os
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pandas as pd
import pytest

from sweeper.store.results import ResultsError, ResultsFolder
from tests.commands import called
from tests.run.sweeps import MEASURED_ELSEWHERE, inline, run, table

servers = pytest.importorskip("moto.server", reason="pip install 'moto[s3]' flask flask-cors")


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    """Where results go, with %s for a path in the bucket."""
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    logging.getLogger("werkzeug").setLevel(logging.WARNING)  # not every request
    with pytest.MonkeyPatch.context() as patch:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "testing")
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        server = servers.ThreadedMotoServer("127.0.0.1", port, verbose=False)
        server.start()
        try:
            options = f"region=us-east-1&scheme=http&endpoint_override=127.0.0.1:{port}"
            uri = f"s3://bucket/%s?{options}&allow_bucket_creation=true"
            at = ResultsFolder.at(uri % "")
            at.filesystem.create_dir("bucket")
            yield f"s3://bucket/%s?{options}"
        finally:
            server.stop()


def stored(location: str) -> pd.DataFrame:
    whole = {"fit_step": "Int64", "generalization_step": "Int64"}
    frame = ResultsFolder.at(location).records().to_pandas().astype(whole)
    return frame.set_index("fingerprint").sort_index().drop(columns=MEASURED_ELSEWHERE)


def test_a_sweep_on_an_object_store_is_that_on_a_disk(small_spec: Path, bucket: str) -> None:
    """Begun, gone on with, looked at and reported there; all by the same location."""
    results, folder = bucket % "some/results", bucket % "some/results/small"
    said = inline(small_spec, "--results", results, "--max-trials", "5")
    assert "5 of 12 done" in said
    assert f"results are in {folder}" in said
    assert "7 trials run" in inline(small_spec, "--results", results)
    assert "0 trials run" in inline(small_spec, "--results", results)
    inline(small_spec)
    pd.testing.assert_frame_equal(stored(folder), table(small_spec), check_exact=True)
    assert "12 of 12" in called("status", folder).output
    report = small_spec.parent / "report.html"
    called("report", folder, "--out", report)
    assert "Z11" in report.read_text()
    names = {path.rpartition("/")[2] for path in ResultsFolder.at(folder)._list("records", "")}
    assert len(names) == 2
    assert not ResultsFolder.at(folder)._list("lock", "")


def test_workers_need_no_way_to_the_store(small_spec: Path, bucket: str, tmp_path: Path) -> None:
    """The driver alone writes: workers find no keys, and go nowhere without them."""
    (tmp_path / "sitecustomize.py").write_text(
        "import os, sys\n"
        "if any('default_worker' in part for part in sys.orig_argv):\n"
        "    del os.environ['AWS_ACCESS_KEY_ID'], os.environ['AWS_SECRET_ACCESS_KEY']\n"
        "    import pyarrow.fs\n"
        "    del pyarrow.fs.S3FileSystem\n"
    )
    path = os.pathsep.join(filter(None, [str(tmp_path), os.environ.get("PYTHONPATH")]))
    run(small_spec, "--results", bucket % "ray", "--workers", "2", PYTHONPATH=path)
    assert len(stored(bucket % "ray/small")) == 12


def test_a_second_driver_on_an_object_store_is_refused(small_spec: Path, bucket: str) -> None:
    folder = ResultsFolder.at(bucket % "locked/small")
    with folder.lock("run 1 of me on head, process 7, since noon") as check:
        said = inline(small_spec, "--results", bucket % "locked", code=2)
        assert "bucket/locked/small: in use by run 1 of me on head, process 7, since noon" in said
        check()
        assert folder.records().num_rows == 0
    assert "12 trials run" in inline(small_spec, "--results", bucket % "locked")
    with pytest.raises(ResultsError, match="cannot open this location"):
        ResultsFolder.at("nosuch://bucket")
