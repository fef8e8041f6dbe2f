"""Pods are classified without keeping everything else waiting."""

from __future__ import annotations

import asyncio
from pathlib import Path

from coroner_categorizer import parse_pod
from coroner_operator.controller.classification import CONTAINERS_LIMIT, Classifier
from coroner_operator.kube.client import Client, load_configuration
from coroner_operator.kube.event_cache import EventCache
from embedded_apiserver import EmbeddedApiServer
from tests.support.default_pack import CATEGORIZER
from tests.support.pods import failed, pod


async def test_the_event_loop_goes_on_while_a_pod_with_many_containers_is_classified(
    server: EmbeddedApiServer, tmp_path: Path
) -> None:
    wide = parse_pod(pod(*(failed(1, name=f"c{number}", message="boom") for number in range(8 * CONTAINERS_LIMIT))))
    async with Client(await load_configuration(server.kubeconfig(tmp_path / "kubeconfig"))) as client:
        classifier = Classifier(CATEGORIZER, client, EventCache(client))
        classifying = asyncio.create_task(classifier.classify_pod(wide))
        turns = 0
        while not classifying.done():
            await asyncio.sleep(0.001)
            turns += 1
        assert (await classifying).failures == CATEGORIZER.classify_pod(wide).failures
        assert turns > 5
