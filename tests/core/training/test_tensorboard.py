"""Events for TensorBoard follow from metrics.jsonl, epoch by epoch, and from nothing else."""

import builtins
import json
import struct

import pytest

from dr_core.errors import InputError
from dr_core.training.tensorboard import EventWriter


def read_scalars(folder):
    """(tag, step) -> value of all event files in a folder, read record by record as TensorFlow wrote them."""
    from tensorboardX.proto.event_pb2 import Event

    scalars = {}
    for path in sorted(folder.glob("events.out.tfevents.*")):
        data, place = path.read_bytes(), 0
        while place < len(data):
            (length,) = struct.unpack_from("<Q", data, place)
            event = Event.FromString(data[place + 12 : place + 12 + length])
            for value in event.summary.value:
                if value.HasField("simple_value"):
                    scalars[value.tag, event.step] = round(value.simple_value, 5), round(event.wall_time)
            place += 12 + length + 4
    return scalars


def write_metrics(run, epochs):
    run.mkdir(parents=True, exist_ok=True)
    lines = [{"epoch": n, "loss": loss, "seconds": 60.0} for n, loss in enumerate(epochs, start=1)]
    (run / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def losses(folder):
    return {step: value for (tag, step), (value, _) in read_scalars(folder).items() if tag == "loss"}


@pytest.fixture
def runs(tmp_path):
    write_metrics(tmp_path / "runs" / "a", [1.0, 0.5])
    (tmp_path / "runs" / "a" / "config.json").write_text('{"epochs": 3}')
    return tmp_path / "runs"


def test_every_epoch_is_there_once_and_new_ones_follow(runs, tmp_path):
    writer = EventWriter(runs, tmp_path / "events")
    assert [(report.run, report.epochs) for report in writer.update()] == [("a", 2)]
    assert not list(writer.update())
    write_metrics(runs / "a", [1.0, 0.5, 0.25])
    write_metrics(runs / "b", [2.0])
    assert [(report.run, report.epochs) for report in writer.update()] == [("a", 1), ("b", 1)]
    writer.close()
    assert losses(tmp_path / "events" / "a") == {1: 1.0, 2: 0.5, 3: 0.25}
    assert losses(tmp_path / "events" / "b") == {1: 2.0}
    times = [time for (tag, _), (_, time) in sorted(read_scalars(tmp_path / "events" / "a").items()) if tag == "loss"]
    assert times[1] - times[0] == pytest.approx(60, abs=2)


def test_a_training_that_began_anew_is_written_anew(runs, tmp_path):
    for epochs in ([1.0, 0.5], [3.0]):
        write_metrics(runs / "a", epochs)
        writer = EventWriter(runs, tmp_path / "events")
        list(writer.update())
        writer.close()
    assert losses(tmp_path / "events" / "a") == {1: 3.0}
    foreign = tmp_path / "events" / "a" / "events.out.tfevents.1.lab"
    foreign.write_bytes(b"")
    list(EventWriter(runs, tmp_path / "events").update())
    assert foreign.is_file()


def test_what_is_missing_is_a_sentence(runs, tmp_path, monkeypatch):
    with pytest.raises(InputError, match="There are no trainings in"):
        EventWriter(tmp_path / "none", tmp_path / "events")
    real = builtins.__import__

    def without(name, *rest, **more):
        if name == "tensorboardX":
            raise ModuleNotFoundError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(InputError, match=r"needs the package tensorboardX; .* metrics.jsonl of every run folder"):
        EventWriter(runs, tmp_path / "events")
    assert not (tmp_path / "events").exists()
