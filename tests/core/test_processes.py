import os
import signal
import threading

from dr_core.processes import ignoring_interrupts, start_workers


def disposition():
    return os.getpid(), signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def test_workers_leave_ctrl_c_to_their_parent():
    before = signal.getsignal(signal.SIGINT)
    with start_workers(2) as pool:
        answers = dict(task.result() for task in [pool.submit(disposition) for _ in range(20)])
    assert all(answers.values())
    assert os.getpid() not in answers
    assert signal.getsignal(signal.SIGINT) is before


def test_outside_the_main_thread_signals_are_left_alone():
    seen = []

    def watch():
        with ignoring_interrupts():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=watch)
    thread.start()
    thread.join()
    assert seen == [signal.getsignal(signal.SIGINT)]
