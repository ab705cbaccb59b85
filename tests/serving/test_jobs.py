from __future__ import annotations

import threading

import pytest

from underdrawing.core.errors import BadImage, UnknownName, WeightsMissing
from underdrawing.serving import jobs as module
from underdrawing.serving.errors import RequestRefused
from underdrawing.serving.jobs import JobRecord, Jobs


def hold(event: threading.Event) -> None:
    assert event.wait(10)


def test_a_job_ends_with_its_results() -> None:
    def work(job: JobRecord) -> None:
        job.move(title="lines", done=1, total=2)
        job.note("once")
        job.note("once")
        job.publish({"n": 1})
        job.publish({"n": 2})

    jobs = Jobs()
    job = jobs.start("test", work, heavy=True)
    assert job.wait(10)
    assert jobs.find(job.id) is job
    found = job.to_json(1)
    assert (found["state"], found["notes"], found["count"], found["results"]) == ("done", ["once"], 2, [{"n": 2}])
    assert found["progress"]["total"] == 2
    assert "results" not in job.to_json()


def test_an_error_is_a_result_with_its_text() -> None:
    def missing(job: JobRecord) -> None:
        raise WeightsMissing("not here", where="x", fix="fetch it", weights=("x",))

    job = Jobs().start("test", missing, heavy=False)
    assert job.wait(10)
    failure = job.to_json()["failure"]
    assert job.state == "failed"
    assert failure == {"error": "x: not here. Next: fetch it", "type": "WeightsMissing", "weights": ["x"]}


def test_a_fault_of_ours_is_a_result_without_a_trace() -> None:
    def broken(job: JobRecord) -> None:
        raise ZeroDivisionError("division\nby zero")

    job = Jobs().start("test", broken, heavy=True)
    assert job.wait(10)
    assert "ZeroDivisionError: division by zero" in job.to_json()["failure"]["error"]


def test_jobs_are_cancelled_while_they_run_and_while_they_wait() -> None:
    begun, go_on = threading.Event(), threading.Event()

    def work(job: JobRecord) -> None:
        begun.set()
        go_on.wait(10)
        job.check()

    jobs = Jobs()
    first, second = jobs.start("first", work, heavy=True), jobs.start("second", work, heavy=True)
    assert begun.wait(10)
    waiting = first if second.state == "running" else second
    running = second if waiting is first else first
    waiting.cancel()
    assert waiting.state == "cancelled"
    running.cancel()
    assert running.state == "running"
    go_on.set()
    assert running.wait(10)
    assert running.state == "cancelled"


def test_light_jobs_do_not_wait_for_heavy_ones() -> None:
    go_on = threading.Event()
    jobs = Jobs()
    heavy = jobs.start("heavy", lambda job: hold(go_on), heavy=True)
    light = jobs.start("light", lambda job: None, heavy=False)
    assert light.wait(10)
    assert heavy.state != "done"
    go_on.set()
    assert heavy.wait(10)


def test_too_many_jobs_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_WAITING", 1)
    go_on = threading.Event()
    jobs = Jobs()
    jobs.start("first", lambda job: hold(go_on), heavy=True)
    with pytest.raises(RequestRefused, match="1 jobs are waiting") as caught:
        jobs.start("second", lambda job: None, heavy=True)
    go_on.set()
    assert caught.value.status == 429


def test_old_results_are_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_CHARACTERS", 100)
    jobs = Jobs()
    made = []
    for _ in range(3):
        made.append(jobs.start("test", lambda job: job.publish({}, size=80), heavy=False))
        assert made[-1].wait(10)
    jobs.start("last", lambda job: None, heavy=False).wait(10)
    with pytest.raises(UnknownName, match="no longer kept"):
        jobs.find(made[0].id)
    assert jobs.find(made[2].id) is made[2]


def test_a_host_that_runs_nothing_ends_the_job() -> None:
    job = Jobs(lambda work: None).start("test", lambda job: None, heavy=True)
    assert job.wait(10)
    assert "did not run" in job.to_json()["failure"]["error"]


def test_a_host_that_raises_ends_the_job() -> None:
    def execute(work: object) -> None:
        raise OSError("no main thread")

    job = Jobs(execute).start("test", lambda job: None, heavy=True)
    assert job.wait(10)
    assert "no main thread" in job.to_json()["failure"]["error"]


def test_an_error_that_a_user_can_act_on_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    def refuse(job: JobRecord) -> None:
        raise BadImage("is no picture")

    job = Jobs().start("test", refuse, heavy=False)
    assert job.wait(10)
    assert caplog.records == []
