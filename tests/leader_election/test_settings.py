"""What a site can say about leading."""

from __future__ import annotations

from pathlib import Path

import pytest
from kubernetes.aio.client.configuration import Configuration

from coroner_operator.config.settings import SettingsError, load_settings
from coroner_operator.kube import client
from coroner_operator.kube.client import ClientError, load_configuration
from coroner_operator.runtime.leader_election import SingleReplica, new_identity
from coroner_operator.runtime.lease_thread import LeaseThread, leadership
from embedded_apiserver import EmbeddedApiServer


@pytest.fixture
async def configuration(server: EmbeddedApiServer, tmp_path: Path) -> Configuration:
    return await load_configuration(server.kubeconfig(tmp_path / "kubeconfig"))


async def test_without_leader_election_it_leads_from_the_start(configuration: Configuration) -> None:
    states: list[bool] = []
    single = leadership(load_settings({}), configuration, states.append)
    assert isinstance(single, SingleReplica)
    assert single.leading.is_set()
    assert single.observed.is_set()
    assert single.remaining > 10**9
    assert states == [True]


async def test_the_namespace_is_the_settings_then_the_environments_then_the_pods_own(
    configuration: Configuration, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async def place(**more: str) -> str:
        election = leadership(load_settings({"leader_election": "true", **more}), configuration, lambda leads: None)
        assert isinstance(election, LeaseThread)
        async with election.connect() as lease:
            return str(lease)

    file = tmp_path / "namespace"
    monkeypatch.setattr(client, "_SERVICE_ACCOUNT_NAMESPACE", file)
    with pytest.raises(ClientError, match="lease_namespace is not set"):
        await place()
    file.write_text("of-the-pod\n")
    assert await place() == "Lease of-the-pod/coroner"
    monkeypatch.setenv("POD_NAMESPACE", "of-the-environment")
    assert await place() == "Lease of-the-environment/coroner"
    assert await place(lease_namespace="set", lease_name="mine") == "Lease set/mine"


def test_a_restarted_process_is_another_candidate() -> None:
    assert new_identity("coroner-0") != new_identity("coroner-0")
    assert new_identity("coroner-0").startswith("coroner-0_")


@pytest.mark.parametrize(
    "wrong",
    [{"renew_deadline": "15s"}, {"retry_period": "6s"}, {"retry_period": 0}, {"lease_duration": "9s"}],
)
def test_durations_without_a_safety_margin_are_rejected(wrong: dict[str, str]) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(wrong)
    assert caught.value.errors == (
        "lease_duration: 2 * retry_period <= renew_deadline < lease_duration must hold, and none may be 0",
    )
