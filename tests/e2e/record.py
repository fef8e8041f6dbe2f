"""Make real failures happen and write them down: `python -m tests.e2e.record [NAME...]`, no name = all.

Needs KUBECONFIG of a running cluster that may be broken: `tests/cluster/up`. Writes tests/fixtures/pods/NAME.json.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

from tests.cluster.scripts import cache_folder
from tests.cluster.server import Server
from tests.e2e.scenarios.pod_creation import denied_by_webhook
from tests.e2e.scenarios.table import SCENARIOS
from tests.e2e.support.own_images import add_images
from tests.e2e.support.registry import registries
from tests.e2e.support.scenario import Manifest, Scenario, Seen
from tests.e2e.support.scenario_runner import ScenarioRunner
from tests.e2e.support.webhook import admission_webhook
from tests.support.waiting import WAIT_FACTOR

FIXTURES = Path(__file__).parents[1] / "fixtures" / "pods"
CONCURRENCY = 24
# Folders of a test cluster lie under its state folder; elsewhere they are here.
USUAL_PATHS = {"kubelet": "/var/lib/kubelet", "run/": "/run/", "conf/cni": "/etc/cni/net.d", "": "/var/lib/"}


def record(runner: ScenarioRunner, scenario: Scenario) -> str:
    """What came of it, in a line."""
    try:
        run(runner, scenario)
        seen = with_its_events(runner, scenario)
        written = list(write(runner, scenario, seen))
        return f"{scenario.name}: {', '.join(written)}"
    except TimeoutError as fault:
        return f"{scenario.name}: NOT RECORDED: {fault}: {json.dumps(summary(runner.seen(scenario)))[:600]}"
    except Exception as fault:  # noqa: BLE001 - one that cannot be made must not stop the others
        return f"{scenario.name}: NOT RECORDED: {fault}"
    finally:
        if scenario.after:
            scenario.after(runner)
        runner.delete(scenario)


def with_its_events(runner: ScenarioRunner, scenario: Scenario) -> Seen:
    """Events come a moment later; a crash loop may have gone on by then."""
    while not scenario.shows(seen := runner.wait_until_quiet(scenario)):
        runner.wait_for(scenario, scenario.shows, scenario.timeout * WAIT_FACTOR)
    return seen


def run(runner: ScenarioRunner, scenario: Scenario) -> Seen:
    """Bring the scenario about; TimeoutError where it does not come."""
    runner.apply(scenario)
    for step in scenario.steps:
        runner.wait_for(scenario, step.when, scenario.timeout * WAIT_FACTOR)
        step.do(runner)
    return runner.wait_for(scenario, scenario.shows, scenario.timeout * WAIT_FACTOR)


def write(runner: ScenarioRunner, scenario: Scenario, seen: Seen) -> Iterator[str]:
    """The pod with its events, and the workload with its own."""
    if seen.pod:
        yield save(runner.state, scenario.name, seen.pod, seen.events)
    if seen.owner:
        owners = [seen.owner, *(runner.replica_sets(scenario, seen.owner) if not seen.pod else ())]
        for owner in owners:
            yield save(runner.state, f"{owner['kind'].lower()}-{scenario.name}", owner, runner.events_about(owner))


def save(state: Path, name: str, obj: Manifest, events: Sequence[Manifest]) -> str:
    items = [obj, *events]
    for item in items:
        item["metadata"].pop("managedFields", None)
        item.setdefault("apiVersion", "v1")
    document = {"apiVersion": "v1", "kind": "List", "items": items}
    text = json.dumps(document, indent=1)
    for real, usual in USUAL_PATHS.items():
        text = text.replace(f"{state}/{real}", usual)
    text = text.replace(str(cache_folder() / "bin"), "/opt/cni/bin")
    (FIXTURES / f"{name}.json").write_text(text + "\n")
    return f"{name}.json ({len(events)} events)"


def summary(seen: Seen) -> Manifest:
    return {
        "status": seen.pod.get("status", {}),
        "events": [f"{e['reason']}: {e['message']}" for e in (*seen.events, *seen.owner_events)],
        "owner": seen.owner.get("status", {}),
    }


def main(names: Sequence[str]) -> int:
    kubeconfig = Path(os.environ["KUBECONFIG"])
    runner = ScenarioRunner(
        Server(kubeconfig, os.environ.get("KUBECTL") or shutil.which("kubectl") or "kubectl", "KUBECONFIG")
    )
    with ExitStack() as stack:
        scenarios = [*SCENARIOS, *denied_by_webhook(*stack.enter_context(admission_webhook()))]
        chosen = [s for s in scenarios if not names or any(s.name.startswith(n) for n in names)]
        certs_d = runner.state / "conf" / "certs.d"
        if certs_d.is_dir() and any("localhost:50" in str(s.manifests) for s in chosen):
            stack.enter_context(registries(certs_d))
        if (runner.state / "conf").is_dir():
            add_images(runner)
        for namespace in sorted({s.namespace for s in chosen}):
            runner.try_kubectl("create", "namespace", namespace)
        stack.enter_context(runner.watching())
        together = [s for s in chosen if not s.alone]
        out = threading.Lock()
        with ThreadPoolExecutor(CONCURRENCY) as pool:
            for line in pool.map(lambda s: record(runner, s), together):
                with out:
                    print(line, flush=True)
        for scenario in (s for s in chosen if s.alone):
            print(record(runner, scenario), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
