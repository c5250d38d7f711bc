import threading
import time

import pytest
from streamlit.testing.v1 import AppTest

from dr_ui.shell import request_queue
from tests.conftest import ROOT


def test_first_come_first_served():
    line, served = request_queue.Line(1), []
    first = line.join()
    assert line.wait(first, 0)
    tickets = [line.join() for _ in range(3)]
    assert [line.before(ticket) for ticket in tickets] == [0, 1, 2]
    assert not line.wait(tickets[0], 0.01)

    def stand(number):
        while not line.wait(tickets[number], 0.05):
            pass
        served.append(number)
        line.leave(tickets[number])

    threads = [threading.Thread(target=stand, args=(number,)) for number in (2, 0, 1)]
    for thread in threads:
        thread.start()
    time.sleep(0.1)
    assert served == []
    line.leave(first)
    for thread in threads:
        thread.join(5)
    assert served == [0, 1, 2]


def test_who_gives_up_lets_the_others_pass():
    line = request_queue.Line(1)
    first, second, third = (line.join() for _ in range(3))
    assert line.wait(first, 0)
    line.leave(second)
    assert line.before(third) == 0
    line.leave(first)
    assert line.wait(third, 0)


def test_as_many_as_there_are_places():
    line = request_queue.Line(2)
    tickets = [line.join() for _ in range(3)]
    assert [line.wait(ticket, 0) for ticket in tickets] == [True, True, False]


def test_a_failure_gives_the_place_back():
    line = request_queue.Line(1)
    with pytest.raises(ZeroDivisionError), request_queue.take_turn(line):
        raise ZeroDivisionError
    with request_queue.take_turn(line):
        pass


def test_a_page_says_how_many_are_before_it(monkeypatch, tiny_study):
    line = request_queue.Line(1)
    first, second = line.join(), line.join()
    assert line.wait(first, 0)
    told = []
    tell = request_queue._told

    def leave_when_told(before):
        told.append(tell(before))
        line.leave((second, first)[len(told) - 1])
        return told[-1]

    monkeypatch.setattr(request_queue, "_told", leave_when_told)
    monkeypatch.setattr(request_queue, "SHORT", line)
    monkeypatch.setenv("DR_STUDY", str(tiny_study.path))
    app = AppTest.from_file(ROOT / "home.py", default_timeout=60).run()
    assert told == [
        "The machine is busy; 1 request is before yours.",
        "The machine is busy with others; you are next.",
    ]
    assert not app.exception
    assert not app.info  # it is gone once the page is there


def test_who_is_alone_has_no_company(monkeypatch):
    for name in ("SHORT", "LONG"):
        monkeypatch.setattr(request_queue, name, request_queue.Line(2))
    first = request_queue.LONG.join()
    assert request_queue.LONG.wait(first, 0)
    for line in (request_queue.SHORT, request_queue.LONG):
        assert not request_queue.has_company()
        second = line.join()
        assert request_queue.has_company()
        line.leave(second)
    assert not request_queue.has_company()


def test_answers_do_not_wait_for_heatmaps(monkeypatch, tiny_study):
    """Explain's line is full; Compare opens, and Explain says that it waits."""
    line = request_queue.Line(1)
    monkeypatch.setattr(request_queue, "LONG", line)
    monkeypatch.setenv("DR_STUDY", str(tiny_study.path))
    first = line.join()
    assert line.wait(first, 0)
    assert not AppTest.from_file(ROOT / "pages" / "1_Compare.py", default_timeout=60).run().exception
    told = []
    monkeypatch.setattr(request_queue, "_told", lambda before: told.append(before) or line.leave(first) or "waiting")
    assert not AppTest.from_file(ROOT / "pages" / "3_Explain.py", default_timeout=60).run().exception
    assert told == [0]
