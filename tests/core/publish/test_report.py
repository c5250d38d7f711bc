import asyncio
import dataclasses
import io
import json
import re
import shutil
from concurrent.futures import ThreadPoolExecutor

import pandas as pd
import pytest

from dr_core.errors import InputError
from dr_core.publish import pdf
from dr_core.publish.report.document import TABLES_MARK, make_report, write_tables
from dr_core.publish.report.figures import describe_data, draw_figures
from dr_core.study.folder import Study, open_study
from tests.conftest import ROOT


@pytest.fixture(scope="module")
def demo():
    return open_study(ROOT / "assets" / "demo_study")


@pytest.fixture(scope="module")
def report(demo):
    return make_report(demo)


def test_the_report_needs_nothing_else_and_runs_nothing(report):
    assert not re.search(r"""(?:src|href)=["'](?!data:|#)""", report)
    assert "<script" not in report
    assert "research use only, not for diagnosis" in report


def test_the_report_has_the_tables_numbers(demo, report):
    aucs = demo.read_checkpoint_results("performance").query("measure == 'auc'")
    for value in aucs["value"]:
        assert f"<td>{value:.3f}</td>" in report
    assert demo.info.data[0].fingerprint in report
    assert demo.read_checkpoint_info("ifi_cl").data_fingerprint in report
    assert report.count("SHA-256") == len(demo.setups) + len(list((demo.path / "results").glob("*.parquet")))


def test_a_summary_comes_first_and_every_section_is_in_the_contents(report):
    heads = re.findall(r"<h2[^>]*>(.*?)</h2>", report)
    assert heads[:2] == ["Summary", "Contents of the appendix"]
    listed = re.findall(r"<li><a href='#(.*?)'>(.*?)</a></li>", report)
    assert [title for _, title in listed] == heads[2:]
    assert all(f"<h2 id='{anchor}'>" in report for anchor, _ in listed)


def test_every_table_stands_alone_as_csv_and_latex(demo, report):
    files = write_tables(demo)
    names = {name.partition(".")[0] for name in files} - {"origin"}
    assert {"claims", "auc", "table2", "table3", "measures", "knockout"} <= names
    assert {f"{name}.{kind}" for name in names for kind in ("csv", "tex")} | {TABLES_MARK} == set(files)
    assert len(names) == report.count("<table class='numbers'>") + 2  # those of the claims have a form of their own
    measures = pd.read_csv(io.BytesIO(files["measures.csv"]))
    assert measures["value"].tolist() == demo.read_checkpoint_results("performance")["value"].tolist()
    latex = files["measures.tex"].decode().splitlines()
    assert len([line for line in latex if line.endswith(r"\\")]) == len(measures) + 1
    assert not re.search(r"(?<!\\)[%_#]", "".join(latex))
    origin = json.loads(files[TABLES_MARK])
    assert origin["tables"]["results/performance.parquet"] in report


def test_paired_tests_are_corrected_together_and_photographs_are_told_apart(demo, report):
    tests = demo.read_checkpoint_results("localization_tests")
    clear, total = (tests["p_holm"] < 0.05).sum(), len(demo.read_results("localization_tests"))
    assert f"{clear} of {len(tests)} are below 0.05 after Holm's correction over all {total} tests" in report
    assert "(512 px)</td>" in report
    assert "(512 px), colors alike</td>" in report


def test_data_of_one_title_are_told_apart_by_their_labels(demo):
    first, second = demo.info.data[:2]
    twins = tuple(dataclasses.replace(second, key=key, label=label) for key, label in (("a", "as taken"), ("b", "")))
    study = Study(demo.path, dataclasses.replace(demo.info, data=(first, *twins)))
    assert describe_data(study, "a, b") == f"{second.title}: as taken, {second.title}: b"
    assert describe_data(study, first.key) == first.title


def test_a_study_without_tables_has_a_report_as_well(tmp_path, tiny_study):
    shutil.copytree(tiny_study.path, tmp_path / "bare")
    shutil.rmtree(tmp_path / "bare" / "results")
    report = make_report(open_study(tmp_path / "bare"))
    assert "not measured yet" in report
    assert "<figure>" not in report


def test_figures_are_the_same_bytes_every_time(demo):
    first, second = draw_figures(demo), draw_figures(demo)
    assert first == second
    titles = dict.fromkeys(drawing.title.split(":")[0] for drawing in first)  # Figure 2 once for each data set
    assert list(titles) == ["Figure 2", "Figure 3a", "Figure 3b", "Figure 4"]
    assert all(drawing.svg.lstrip().startswith("<?xml") for drawing in first)
    assert all("results/" in drawing.caption for drawing in first)


def test_text_of_a_study_cannot_become_markup(tmp_path, tiny_study):
    shutil.copytree(tiny_study.path, tmp_path / "evil")
    head = tmp_path / "evil" / "study.json"
    head.write_text(head.read_text().replace("Tiny", "<img src=//x onerror=alert(1)>"))
    assert "<img src=//x" not in make_report(open_study(tmp_path / "evil"))


def test_without_a_browser_a_pdf_says_what_to_install(monkeypatch):
    monkeypatch.setattr(pdf, "find_browser", lambda: None)
    with pytest.raises(InputError, match="apt-get install chromium"):
        pdf.html_to_pdf("<p>x</p>")


def test_a_browser_that_cannot_start_is_named(monkeypatch, tmp_path):
    (tmp_path / "chromium").write_text("#!/bin/sh\nexit 3\n")
    (tmp_path / "chromium").chmod(0o755)
    monkeypatch.setattr(pdf, "find_browser", lambda: str(tmp_path / "chromium"))
    with pytest.raises(InputError, match="could not print"):
        pdf.html_to_pdf("<p>x</p>")


def test_a_driver_that_cannot_run_is_a_sentence(monkeypatch, tmp_path):
    def fail():
        raise RuntimeError("Connection closed while reading from the driver")

    monkeypatch.setattr(pdf, "find_browser", lambda: "/usr/bin/chromium")
    monkeypatch.setattr("playwright.sync_api.sync_playwright", fail)
    with pytest.raises(InputError, match="libatomic1"):
        pdf.html_to_pdf("<p>x</p>")


@pytest.mark.skipif(pdf.find_browser() is None, reason="no Chromium")
def test_a_pdf_is_printed_and_asks_no_host():
    printed = pdf.html_to_pdf("<h1>One page</h1><img src='http://127.0.0.1:9/x.png'><script>document.write(1)</script>")
    assert printed.startswith(b"%PDF-")
    assert printed.count(b"/Type /Page\n") == 1


@pytest.mark.skipif(pdf.find_browser() is None, reason="no Chromium")
def test_a_pdf_is_printed_from_within_an_event_loop():
    async def print_it() -> bytes:
        return pdf.html_to_pdf("<p>x</p>")

    with ThreadPoolExecutor(1) as thread:  # this one's loop may be another test's
        assert thread.submit(asyncio.run, print_it()).result().startswith(b"%PDF-")
