"""Which recorded failures are replayed, for which workloads, and what should be reported about them."""

from __future__ import annotations

from typing import NamedTuple


class Scenario(NamedTuple):
    """One failure. All of its files are recordings from a real kubelet."""

    description: str
    """What happens, as it is printed."""
    files: tuple[str, ...]
    """The workload first, then its pods."""
    rename: dict[str, str]
    """Names in the recording → names in the demo."""
    namespace: str
    workload: str
    """kind/name that the report is about."""
    subcategory: str
    recovers: bool = False


SCENARIOS = (
    Scenario(
        "a training job exceeds its memory limit",
        ("job-m4-job-oom-failurepolicy-137", "m4-job-oom-failurepolicy-137-2nvxl"),
        {"m4-job-oom-failurepolicy-137": "train-llm", '"proof"': '"research"', "proof/": "research/"},
        "research",
        "Job/train-llm",
        "oom-killed",
    ),
    Scenario(
        "a service keeps crashing until its owner fixes it",
        (
            "deployment-n1-deploy-crashes",
            "replicaset-n1-deploy-crashes-799dbd9bc4",
            "n1-deploy-crashes-799dbd9bc4-hl9gh",
        ),
        {"n1-deploy-crashes": "checkout", '"proof"': '"shop"', "_proof(": "_shop("},
        "shop",
        "Deployment/checkout",
        "error-exit",
        recovers=True,
    ),
    Scenario(
        "an image does not exist in the registry",
        ("e4-imagepull-not-found",),
        {
            "e4-imagepull-not-found": "frontend",
            '"proof"': '"shop"',
            "localhost:5001/nope:1": "registry.shop.example/frontend:2.4",
        },
        "shop",
        "Pod/frontend",
        "image-not-found",
    ),
    Scenario(
        "a failing liveness probe keeps killing the container",
        ("q3-liveness-kill-always",),
        {"q3-liveness-kill-always": "search", '"proof"': '"shop"', "_proof(": "_shop("},
        "shop",
        "Pod/search",
        "liveness-probe",
    ),
    Scenario(
        "a nightly job is preempted by a pod with higher priority",
        ("job-l3-job-low", "l3-job-low-dtmk9"),
        {"l3-job-low": "nightly-report", '"proof"': '"batch"', "proof/": "batch/"},
        "batch",
        "Job/nightly-report",
        "preempted",
    ),
    Scenario(
        "a node runs low on memory and evicts the pod",
        ("k4-node-memory-pressure",),
        {"k4-node-memory-pressure": "cache-warmer", '"proof"': '"shop"', "proof/": "shop/"},
        "shop",
        "Pod/cache-warmer",
        "node-pressure-memory",
    ),
    Scenario(
        "a script fails with a Python traceback",
        ("a4-python-traceback",),
        {"a4-python-traceback": "etl-import", '"proof"': '"batch"', "proof/": "batch/"},
        "batch",
        "Pod/etl-import",
        "uncaught-exception",
    ),
    Scenario(
        "the command does not exist in the image",
        ("o4-command-not-found-always",),
        {"o4-command-not-found-always": "mailer", '"proof"': '"shop"', "_proof(": "_shop("},
        "shop",
        "Pod/mailer",
        "bad-command",
    ),
    Scenario(
        "a job's pods cannot be created because of a quota",
        ("job-p1-job-quota-denied",),
        {"p1-job-quota-denied": "render-video", '"quota"': '"media"'},
        "media",
        "Job/render-video",
        "quota-exceeded",
    ),
    Scenario(
        "a container is killed, and the cause is not recorded",
        ("b2-oom-child-rc-propagated",),
        {"b2-oom-child-rc-propagated": "converter", '"proof"': '"media"'},
        "media",
        "Pod/converter",
        "sigkill",
    ),
)
