"""Containers that cannot start as they are written: commands, configuration, volumes, runtimes, hooks."""

import json
from typing import Any

from tests.e2e.support.conditions import crash_looping, ended, every, is_ready, running, says, waits
from tests.e2e.support.manifests import FROM_LOG, config_map, make_pod, obj, shell, volume
from tests.e2e.support.scenario import Condition, Manifest, Scenario
from tests.e2e.support.scenario_runner import ScenarioRunner


def starts(
    name: str, verdict: str | None, shows: Condition = ended, restart: str = "Never", **container: Any
) -> Scenario:
    return Scenario(name, (make_pod(name, shell("sleep 3600") | container, restart=restart),), verdict, shows)


def mounts(
    name: str, verdict: str | None, shows: Condition, source: str, mount: Manifest | None = None, /, **settings: Any
) -> Scenario:
    volume_source, volume_mount = volume(source, **settings)
    container = shell("sleep 3600", volumeMounts=[volume_mount | (mount or {})])
    return Scenario(name, (make_pod(name, container, volumes=[volume_source]),), verdict, shows, container="")


def through_claim(name: str, verdict: str, shows: Condition, **source: Any) -> Scenario:
    """A PersistentVolume of this kind, bound by hand to a claim that the pod uses."""
    spec = {"capacity": {"storage": "1Mi"}, "accessModes": ["ReadWriteOnce"], "claimRef": {"name": name}}
    spec["claimRef"]["namespace"] = "proof"  # type: ignore[index]
    affinity = {
        "required": {"nodeSelectorTerms": [{"matchExpressions": [{"key": "kubernetes.io/os", "operator": "Exists"}]}]}
    }
    volume_object = obj("v1", "PersistentVolume", name, spec={**spec, "nodeAffinity": affinity, **source})
    made = mounts(name, verdict, shows, "persistentVolumeClaim", claimName=name)
    return made._replace(manifests=(volume_object, claim(name, volumeName=name, storageClassName=""), *made.manifests))


def claim(name: str, **spec: Any) -> Manifest:
    wanted = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}}
    return obj("v1", "PersistentVolumeClaim", name, spec={**wanted, **spec})


def unknown_runtime_handler() -> Scenario:
    name = "s5-unknown-runtime-handler"
    handler = obj("node.k8s.io/v1", "RuntimeClass", "ghost", handler="ghost")
    pod = make_pod(name, shell("sleep 3600"), runtimeClassName="ghost")
    shows = says("FailedCreatePodSandBox")
    return Scenario(name, (handler, pod), "user-config/runtime-class", shows, container="")


def config_that_comes_late() -> Scenario:
    name = "f5-configmap-comes-late"
    source = [{"configMapRef": {"name": name}}]
    pod = make_pod(name, shell("sleep 3600", envFrom=source))

    def create(runner: ScenarioRunner) -> None:
        runner.kubectl("apply", "-n", runner.prefix + "proof", "-f", "-", input=json.dumps(config_map(name, a="b")))

    shows = waits("CreateContainerConfigError")
    return Scenario(name, (pod,), "user-config/missing-config", shows, repair=create, repaired=running)


def hook(name: str, restart: str, shows: Condition) -> Scenario:
    command = {"exec": {"command": ["sh", "-c", "echo no route to the licence server; exit 4"]}}
    container = shell("sleep 3600", lifecycle={"postStart": command})
    pod = make_pod(name, container, restart=restart)
    return Scenario(name, (pod,), "user-config/post-start-hook", shows, failures=None)


MISSING = ("user-config/missing-config", says("FailedMount"))
ERROR = waits("CreateContainerConfigError")

SCENARIOS = (
    starts("o3-not-executable", "user-config/bad-command", command=["/etc/passwd"]),
    starts("o5-bad-working-dir", "user-config/start-failed", workingDir="/etc/passwd"),
    starts("o6-command-is-directory", "user-config/bad-command", command=["/etc"]),
    starts("o9-command-not-in-path", "user-config/bad-command", command=["python3", "train.py"]),
    starts(
        "t1-no-command",
        "user-config/bad-command",
        waits("CreateContainerError"),
        image="localhost/empty:1",
        imagePullPolicy="Never",
        command=[],
    ),
    starts(
        "f7-non-root-named-user",
        "user-config/run-as-non-root",
        ERROR,
        image="localhost/nobody:1",
        imagePullPolicy="Never",
        securityContext={"runAsNonRoot": True},
    ),
    starts(
        "f12-non-root-by-number",
        "user-config/run-as-non-root",
        ERROR,
        securityContext={"runAsNonRoot": True, "runAsUser": 0},
    ),
    starts("o15-empty-command", "user-config/bad-command", command=[""]),
    starts(
        "f8-missing-secret-env",
        "user-config/missing-config",
        ERROR,
        env=[{"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "api-token", "key": "token"}}}],
    ),
    starts("f9-optional-configmap", None, is_ready, envFrom=[{"configMapRef": {"name": "not-here", "optional": True}}]),
    starts(
        "o10-seccomp-profile-missing",
        "user-config/start-failed",
        waits("CreateContainerError"),
        securityContext={"seccompProfile": {"type": "Localhost", "localhostProfile": "profiles/strict.json"}},
    ),
    mounts("f3-missing-secret-volume", *MISSING, "secret", secretName="tls-of-web"),
    mounts("f6-missing-configmap-volume", *MISSING, "configMap", name="settings-of-web"),
    mounts(
        "t6-missing-key-volume",
        *MISSING,
        "configMap",
        name="kube-root-ca.crt",
        items=[{"key": "app.ini", "path": "app.ini"}],
    ),
    mounts(
        "f10-projected-missing-secret",
        *MISSING,
        "projected",
        sources=[{"secret": {"name": "signing-key"}}, {"configMap": {"name": "kube-root-ca.crt"}}],
    ),
    mounts(
        "t4-hostpath-missing",
        "user-config/missing-volume",
        says("FailedMount"),
        "hostPath",
        path="/no/such/folder",
        type="Directory",
    ),
    mounts(
        "t4-hostpath-wrong-type",
        "user-config/missing-volume",
        says("FailedMount"),
        "hostPath",
        path="/etc/hostname",
        type="Directory",
    ),
    mounts("v1-csi-driver-missing", "platform/volume-mount", says("FailedMount"), "csi", driver="none.example.com"),
    mounts("v2-nfs-without-client", "platform/volume-mount", says("FailedMount"), "nfs", server="127.0.0.1", path="/x"),
    mounts("o11-mount-over-proc", "user-config/start-failed", ended, "emptyDir", {"mountPath": "/proc"})._replace(
        container="main"
    ),
    mounts(
        "u1-subpath-through-file",
        "user-config/bad-subpath",
        ERROR,
        "configMap",
        {"subPath": "ca.crt/deeper"},
        name="kube-root-ca.crt",
    )._replace(container="main"),
    mounts(
        "u2-subpath-expr-unset", "user-config/bad-subpath", ERROR, "emptyDir", {"subPathExpr": "$(NO_SUCH_VARIABLE)/x"}
    )._replace(container="main"),
    through_claim(
        "v3-local-volume-missing", "user-config/missing-volume", says("FailedMount"), local={"path": "/no/such/disk"}
    ),
    through_claim(
        "v4-csi-volume-not-attached",
        "platform/volume-attach",
        says("FailedAttachVolume"),
        csi={"driver": "none.example.com", "volumeHandle": "v4"},
    )._replace(timeout=200),
    unknown_runtime_handler(),
    config_that_comes_late(),
    hook("s1-post-start-hook-always", "Always", every(crash_looping, says("FailedPostStartHook"))),
    starts(
        "s10-pre-stop-hook-fails",
        "user-code/error-exit",
        command=["sh", "-c", "exit 6"],
        lifecycle={"preStop": {"exec": {"command": ["/no/such/hook"]}}},
        **FROM_LOG,
    ),
)
