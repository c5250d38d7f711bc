import pytest

from dr_core.training import execution
from dr_core.training.execution import multiplies_bf16_faster, resolve_precision
from dr_core.training.loop import LoopConfig, settle


@pytest.mark.parametrize(
    ("vendor", "flags", "faster"),
    [
        ("GenuineIntel", "fma avx512_bf16 amx_bf16", True),
        ("GenuineIntel", "fma avx512_bf16", False),
        ("AuthenticAMD", "fma avx512_bf16", True),
        ("AuthenticAMD", "fma avx2", False),
    ],
)
def test_bf16_where_the_processor_multiplies_more_of_them(tmp_path, monkeypatch, vendor, flags, faster):
    told = f"processor\t: 0\nvendor_id\t: {vendor}\nflags\t\t: {flags}\n"
    assert multiplies_bf16_faster(told) == faster
    (tmp_path / "cpuinfo").write_text(told)
    monkeypatch.setattr(execution, "_CPU_INFO", tmp_path / "cpuinfo")
    settled = settle(LoopConfig(epochs=1, learning_rate=1e-3), "cpu")
    assert settled.precision == ("bf16-mixed" if faster else "32-true")


def test_where_nothing_is_told_and_what_is_asked_for(tmp_path, monkeypatch):
    monkeypatch.setattr(execution, "_CPU_INFO", tmp_path / "none")
    assert resolve_precision("auto", "cpu") == "32-true"
    assert resolve_precision("bf16-mixed", "cpu") == "bf16-mixed"
