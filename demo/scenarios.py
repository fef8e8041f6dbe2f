"""The play: which recorded failures happen, to whom, and what should be reported of them."""

from __future__ import annotations

from typing import NamedTuple


class Scene(NamedTuple):
    """One failure. All of its files are recordings from a real kubelet."""

    told: str
    """What happens, for the audience."""
    files: tuple[str, ...]
    """The workload first, then its pods."""
    rename: dict[str, str]
    """Names of the recording → names in the play."""
    namespace: str
    workload: str
    """kind/name that the report is about."""
    subcategory: str
    heals: bool = False


SCENES = (
    Scene(
        "a training job uses more memory than it may",
        ("job-m4-job-oom-failurepolicy-137", "m4-job-oom-failurepolicy-137-2nvxl"),
        {"m4-job-oom-failurepolicy-137": "train-llm", '"proof"': '"research"', "proof/": "research/"},
        "research",
        "Job/train-llm",
        "oom-killed",
    ),
    Scene(
        "a service crashes again and again; later its owner mends it",
        (
            "deployment-n1-deploy-crashes",
            "replicaset-n1-deploy-crashes-799dbd9bc4",
            "n1-deploy-crashes-799dbd9bc4-hl9gh",
        ),
        {"n1-deploy-crashes": "checkout", '"proof"': '"shop"', "_proof(": "_shop("},
        "shop",
        "Deployment/checkout",
        "error-exit",
        heals=True,
    ),
    Scene(
        "an image that is not in its registry",
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
    Scene(
        "a liveness probe that kills its container over and over",
        ("q3-liveness-kill-always",),
        {"q3-liveness-kill-always": "search", '"proof"': '"shop"', "_proof(": "_shop("},
        "shop",
        "Pod/search",
        "liveness-probe",
    ),
    Scene(
        "a nightly job makes room for something more important",
        ("job-l3-job-low", "l3-job-low-dtmk9"),
        {"l3-job-low": "nightly-report", '"proof"': '"batch"', "proof/": "batch/"},
        "batch",
        "Job/nightly-report",
        "preempted",
    ),
    Scene(
        "a node runs short of memory and evicts a pod",
        ("k4-node-memory-pressure",),
        {"k4-node-memory-pressure": "cache-warmer", '"proof"': '"shop"', "proof/": "shop/"},
        "shop",
        "Pod/cache-warmer",
        "node-pressure-memory",
    ),
    Scene(
        "a script that fails with a traceback",
        ("a4-python-traceback",),
        {"a4-python-traceback": "etl-import", '"proof"': '"batch"', "proof/": "batch/"},
        "batch",
        "Pod/etl-import",
        "uncaught-exception",
    ),
    Scene(
        "a command that is not in the image",
        ("o4-command-not-found-always",),
        {"o4-command-not-found-always": "mailer", '"proof"': '"shop"', "_proof(": "_shop("},
        "shop",
        "Pod/mailer",
        "bad-command",
    ),
    Scene(
        "a job whose pods were never created: the quota is used up",
        ("job-p1-job-quota-denied",),
        {"p1-job-quota-denied": "render-video", '"quota"': '"media"'},
        "media",
        "Job/render-video",
        "quota-exceeded",
    ),
    Scene(
        "a container that is killed, and nobody recorded by whom",
        ("b2-oom-child-rc-propagated",),
        {"b2-oom-child-rc-propagated": "converter", '"proof"': '"media"'},
        "media",
        "Pod/converter",
        "sigkill",
    ),
)
