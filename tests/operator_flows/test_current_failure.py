"""Of several pods of a workload, which one its report shows: one that fails, never one that is well or gone."""

from embedded_apiserver import EmbeddedApiServer, Fault
from tests.support.live_objects import ago, changed, ended, event, failed_pod, live_pod, running, waiting, workload
from tests.support.operators import Operators
from tests.support.pods import Json
from tests.support.reports import Reports
from tests.support.waiting import until


def crashing(owner: Json) -> Json:
    return live_pod("web-1-crashing", owner=owner, state=waiting("CrashLoopBackOff"), last=ended(2, ran=0))


def healed(crashed: Json, owner: Json) -> Json:
    return changed(crashed, owner=owner, state=running(), last=ended(2, ran=0), restarts=1)


def stuck(owner: Json) -> Json:
    """A pod that waits since long before anything else here: dated by that, it is never the newest failure."""
    missing = waiting("CreateContainerConfigError", "couldn't find key port in ConfigMap default/app")
    return live_pod("web-1-stuck", phase="Pending", state=missing, owner=owner, created=ago(minutes=9))


def two_pods(server: EmbeddedApiServer) -> Json:
    """The ReplicaSet of a Deployment of two."""
    deployment = server.put(workload("Deployment", "web", replicas=2))
    return server.put(workload("ReplicaSet", "web-1", owner=deployment))


async def crashes(server: EmbeddedApiServer, reports: Reports, owner: Json) -> Json:
    """A pod of the owner that crashes, and is shown by the report as soon as it exists."""
    crashed = server.put(crashing(owner))
    await until(lambda: reports.status("web").get("exitCode") == 2)
    return crashed


def reported_pod(reports: Reports) -> str:
    name: str = reports.status("web").get("pod", {}).get("name", "")
    return name


async def one_is_stuck(server: EmbeddedApiServer, reports: Reports) -> Json:
    """The ReplicaSet of a Deployment of two, one pod of which waits and is reported."""
    replica_set = two_pods(server)
    server.put(stuck(replica_set))
    await until(lambda: reported_pod(reports) == "web-1-stuck")
    return replica_set


async def test_a_pod_that_is_well_again_gives_way_to_one_that_still_fails(
    server: EmbeddedApiServer, operators: Operators, reports: Reports
) -> None:
    await operators.start()
    replica_set = two_pods(server)
    server.put(stuck(replica_set))
    crashed = await crashes(server, reports, replica_set)
    server.put(healed(crashed, replica_set))
    await until(lambda: reported_pod(reports) == "web-1-stuck")
    status = reports.status("web")
    assert (status["state"], status["reason"], status["failures"]) == ("Failing", "MissingConfigKey", 2)
    assert "exitCode" not in status


async def test_a_pod_that_is_gone_gives_way_to_one_that_still_fails(
    server: EmbeddedApiServer, operators: Operators, reports: Reports
) -> None:
    """A roll-out with a wrong image: the old pods, which crash until they are deleted, are not what fails now."""
    await operators.start()
    replica_set = two_pods(server)
    server.put(stuck(replica_set))
    await crashes(server, reports, replica_set)
    server.delete("Pod", "web-1-crashing")
    await until(lambda: reported_pod(reports) == "web-1-stuck")
    assert reports.state("web") == "Failing"


async def test_one_that_is_reported_only_after_the_other_is_gone_is_shown(
    server: EmbeddedApiServer, operators: Operators, reports: Reports
) -> None:
    await operators.start()
    replica_set = two_pods(server)
    await crashes(server, reports, replica_set)
    server.delete("Pod", "web-1-crashing")
    asked = [call for call in server.calls if call.path.endswith("/deployments/web")]
    await until(lambda: [c for c in server.calls if c.path.endswith("/deployments/web")] != asked)
    server.put(stuck(replica_set))
    await until(lambda: reported_pod(reports) == "web-1-stuck")


async def test_one_that_begins_to_fail_while_the_workload_is_checked_is_shown(
    server: EmbeddedApiServer, operators: Operators, reports: Reports
) -> None:
    await operators.start()
    replica_set = two_pods(server)
    crashed = await crashes(server, reports, replica_set)
    slow = server.faults.add(Fault(method="GET", path="/deployments/web", delay=1.5))
    server.put(healed(crashed, replica_set))
    await until(lambda: server.faults.hits(slow))
    server.put(stuck(replica_set))
    await until(lambda: reported_pod(reports) == "web-1-stuck")


async def test_a_pod_that_was_deleted_while_nobody_looked_is_not_shown(
    server: EmbeddedApiServer, operators: Operators, reports: Reports
) -> None:
    engine = await operators.start()
    replica_set = await one_is_stuck(server, reports)
    await crashes(server, reports, replica_set)
    await engine.stop()
    server.delete("Pod", "web-1-crashing")
    await operators.start()
    await until(lambda: reported_pod(reports) == "web-1-stuck")


async def test_a_pod_that_healed_while_nobody_looked_is_not_shown(
    server: EmbeddedApiServer, operators: Operators, reports: Reports
) -> None:
    engine = await operators.start()
    replica_set = await one_is_stuck(server, reports)
    crashed = await crashes(server, reports, replica_set)
    await engine.stop()
    server.put(healed(crashed, replica_set))
    await operators.start()
    await until(lambda: reported_pod(reports) == "web-1-stuck")


async def test_what_kept_pods_from_being_created_is_not_shown_once_one_was(
    server: EmbeddedApiServer, operators: Operators, reports: Reports
) -> None:
    await operators.start()
    replica_set = await one_is_stuck(server, reports)
    refused = event(
        replica_set,
        "FailedCreate",
        'Error creating: Internal error occurred: failed calling webhook "mesh.example.com": connection refused',
    )
    refused["lastTimestamp"] = refused["firstTimestamp"] = ago(seconds=20)
    server.put(refused)
    await until(lambda: reports.status("web")["failures"] == 2)
    server.put(live_pod("web-1-fine", owner=replica_set))
    await until(lambda: reported_pod(reports) == "web-1-stuck")


async def test_an_evicted_pod_that_its_controller_has_replaced_is_not_shown(
    server: EmbeddedApiServer, operators: Operators, reports: Reports
) -> None:
    await operators.start()
    replica_set = await one_is_stuck(server, reports)
    evicted = failed_pod("web-1-evicted", 137, owner=replica_set)
    evicted["status"] |= {"reason": "Evicted", "message": "The node was low on resource: memory."}
    server.put(evicted)
    await until(lambda: reports.status("web")["failures"] == 2)
    server.put(live_pod("web-1-fine", owner=replica_set))
    await until(lambda: reported_pod(reports) == "web-1-stuck")
