import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from dr_core.errors import InputError
from tests.fuzz.hostile_files import READERS, make_input, seeds

FILES = seeds()

# 5 kinds x 400 files; tests/fuzz/decoders.py tries 100,000 and measures time and memory, too.
pytestmark = pytest.mark.filterwarnings("ignore")  # decoders warn of what they mend


@pytest.mark.parametrize("kind", READERS)
def test_every_seed_is_read(kind):
    for data in FILES[kind]:
        READERS[kind](data)


@pytest.mark.parametrize("kind", READERS)
@given(number=st.integers(0, 2**40))
@example(number=25803916)  # a JPEG whose list of components goes on behind its end
@settings(max_examples=400, deadline=5000, database=None, suppress_health_check=list(HealthCheck))
def test_a_damaged_file_is_read_or_refused_in_a_sentence(kind, number):
    data = make_input(kind, number, FILES)
    try:
        READERS[kind](data)
    except InputError as error:
        assert str(error).endswith(".")
