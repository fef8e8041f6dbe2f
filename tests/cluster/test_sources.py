"""Which Kubernetes the tests get, and what they say when there is none."""

from pathlib import Path

import pytest

from tests.cluster import sources
from tests.cluster.plugin import refuse
from tests.cluster.scripts import NoKubernetesError, free_ports
from tests.cluster.sources import Assets, Existing, Kind, MisconfiguredError, OwnBuild, choose

KUBECONFIG = """
current-context: it
contexts: [{name: it, context: {cluster: there, user: me}}]
clusters: [{name: other, cluster: {server: "https://192.0.2.1"}}, {name: there, cluster: {server: "https://192.0.2.2:6443/"}}]
"""


def program(folder: Path, name: str, script: str) -> None:
    file = folder / name
    file.write_text(f"#!/bin/bash\n{script}\n")
    file.chmod(0o755)


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that comes first on PATH; the caches of this machine are out of sight."""
    folder = tmp_path / "programs"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    monkeypatch.setenv("CACHE", str(tmp_path / "cache"))
    return folder


def test_a_kubeconfig_that_does_not_exist_is_an_error_and_no_skip(tmp_path: Path) -> None:
    with pytest.raises(MisconfiguredError, match="there is no such file"):
        choose((Existing(str(tmp_path / "nowhere")), Assets(None)))


def test_assets_say_which_programs_are_not_there(tmp_path: Path, programs: Path) -> None:
    program(tmp_path, "etcd", "")
    program(programs, "kubectl", "")
    with pytest.raises(MisconfiguredError, match="no kube-apiserver there"):
        Assets(str(tmp_path)).obstacle()


def test_an_existing_cluster_is_used_as_it_is(tmp_path: Path, programs: Path) -> None:
    program(programs, "kubectl", 'echo "$@"; cat')
    (tmp_path / "config").write_text(KUBECONFIG)
    source = choose((Assets(None), Existing(str(tmp_path / "config"))))
    with source.start() as server:
        assert server.url == "https://192.0.2.2:6443"
        assert server.kubectl("apply", "-f", "-", input="{}") == f"--kubeconfig {tmp_path / 'config'} apply -f -\n{{}}"


def test_every_obstacle_is_named_when_nothing_can_serve(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(programs))
    with pytest.raises(NoKubernetesError) as caught:
        choose((Existing(None), Kind(), OwnBuild(kubelet=False)))
    assert str(caught.value) == "E2E_KUBECONFIG is not set; kind is not installed; there is no bash"


def test_our_own_build_names_what_it_lacks(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("bash", "dirname", "cat", "sha256sum", "cut", "date", "awk", "openssl", "ls"):
        program(programs, name, f'exec /usr/bin/{name} "$@"')
    (programs / "bash").unlink()
    (programs / "bash").symlink_to("/bin/bash")
    (programs / "env").symlink_to("/usr/bin/env")
    monkeypatch.setenv("PATH", str(programs))
    monkeypatch.setattr("platform.system", lambda: "Linux")
    assert OwnBuild(kubelet=False).obstacle() == "our own build needs go>=1.21"


def test_our_own_node_is_for_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.system", lambda: "Linux")
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert OwnBuild(kubelet=True).obstacle() == "our own node needs root"


def test_kind_needs_a_docker_that_answers(programs: Path) -> None:
    program(programs, "kind", "exit 0")
    program(programs, "docker", "exit 1")
    assert Kind().obstacle() == "docker does not answer"


def test_a_kind_cluster_is_deleted_when_the_tests_are_done(programs: Path, tmp_path: Path) -> None:
    program(programs, "docker", "exit 0")
    program(programs, "kubectl", "exit 0")
    calls = tmp_path / "calls"
    program(
        programs,
        "kind",
        f'echo "$1 $4" >>{calls}; [ "$1" != create ] || echo "current-context: kind" >"${{@: -3:1}}"',
    )
    source = Kind()
    assert source.obstacle() is None
    with source.start() as server:
        assert server.kubeconfig.read_text() == "current-context: kind\n"
        assert calls.read_text().split()[0] == "create"
    created, deleted = calls.read_text().splitlines()
    assert deleted == created.replace("create", "delete")
    assert not server.kubeconfig.exists()


def test_a_start_that_fails_tells_its_reason_and_leaves_nothing(programs: Path, tmp_path: Path) -> None:
    folder = tmp_path / "assets"
    folder.mkdir()
    program(folder, "etcd", "echo 'no space left'; exit 1")
    program(folder, "kube-apiserver", "exec sleep 60")
    program(folder, "kubectl", "exit 1")
    with pytest.raises(NoKubernetesError, match="etcd ended: no space left"), Assets(str(folder)).start():
        pass
    assert list((tmp_path / "cache" / "runs").glob("[!.]*")) == []


def test_no_kubernetes_is_a_skip_unless_one_was_required(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REQUIRE_CLUSTER", raising=False)
    with pytest.raises(pytest.skip.Exception, match="no Kubernetes: no go"):
        refuse("no go")
    monkeypatch.setenv("REQUIRE_CLUSTER", "1")
    with pytest.raises(pytest.fail.Exception, match="REQUIRE_CLUSTER is set"):
        refuse("no go")


def test_skip_cluster_skips(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SKIP_CLUSTER", "1")
    with pytest.raises(NoKubernetesError, match="SKIP_CLUSTER is set"):
        choose(sources.cluster_sources())


def test_ports_are_free_and_different() -> None:
    assert len(set(free_ports(20))) == 20
