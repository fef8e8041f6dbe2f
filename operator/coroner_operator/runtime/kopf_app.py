"""kopf runs the process: start, stop and signals. Only this module imports kopf.

Objects are listed and watched without kopf, which would copy every pod three times, and ends the process when the CRD
of what it watches is deleted (docs/adr/0006). kopf posts no Events and writes to no object.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from typing import Any, cast

import kopf
from kubernetes.aio.client.configuration import Configuration

from coroner_categorizer import Categorizer
from coroner_operator.config.rules_files import RuleFileContents
from coroner_operator.config.settings import Settings
from coroner_operator.kube.client import Client, load_configuration
from coroner_operator.runtime.engine import Engine
from coroner_operator.runtime.leader_election import LeadershipLost

log = logging.getLogger("coroner.kopf_app")


class EndlessBackoff:
    """kopf's waits between tries (s): it would give up, and end the process, after the last one."""

    def __iter__(self) -> Iterator[float]:
        yield from (1, 2, 3, 5, 8, 13)
        while True:
            yield 20


class App:
    """The operator as one process."""

    def __init__(self, settings: Settings, categorizer: Categorizer, contents: RuleFileContents | None = None) -> None:
        """``contents``: of the files that the categorizer was made from, if known."""
        self._settings = settings
        self._categorizer = categorizer
        self._contents = contents
        self._engine: Engine | None = None
        self._stop_flag: asyncio.Event | None = None
        self._watcher: asyncio.Task[None] | None = None
        self._exit_code = 0

    async def run(self, stop: asyncio.Event | None = None) -> int:
        """Until a signal or ``stop``; the exit code. Raises ClientError, and OSError for a port that is taken."""
        configuration = await load_configuration(self._settings.kubeconfig)
        self._stop_flag = stop or asyncio.Event()
        async with Client(configuration) as client:
            self._engine = Engine(self._settings, client, self._categorizer, contents=self._contents)
            await self._engine.listen()  # before kopf, which would make a traceback of a port that is taken
            await kopf.operator(
                registry=self._registry(configuration),
                settings=_kopf_settings(),
                clusterwide=not self._settings.namespaces,
                namespaces=self._settings.namespaces,
                standalone=True,
                # kopf would look the user's name up, and 65532 has none in /etc/passwd.
                identity=cast(Any, "coroner"),
                stop_flag=self._stop_flag,
            )
        return self._exit_code

    @property
    def port(self) -> int | None:
        """Where /healthz and /readyz are served; None: nowhere, or not yet."""
        return self._engine.ports.get(self._settings.health_address) if self._engine else None

    def _registry(self, configuration: Configuration) -> kopf.OperatorRegistry:
        registry = kopf.OperatorRegistry()

        @kopf.on.login(registry=registry)
        async def login(**_: Any) -> kopf.ConnectionInfo:
            token = await configuration.get_api_key_with_prefix("BearerToken")
            scheme, _space, secret = (token or "").rpartition(" ")
            return kopf.ConnectionInfo(
                server=configuration.host,
                ca_path=configuration.ssl_ca_cert,
                insecure=not configuration.verify_ssl,
                scheme=scheme or None,
                token=secret or None,
                certificate_path=configuration.cert_file,
                private_key_path=configuration.key_file,
            )

        @kopf.on.startup(registry=registry, errors=kopf.ErrorsMode.PERMANENT)
        async def start(**_: Any) -> None:
            assert self._engine is not None
            self._watcher = asyncio.create_task(self._monitor(self._engine), name="engine's end")
            self._engine.start()

        @kopf.on.cleanup(registry=registry)
        async def stop(**_: Any) -> None:
            if self._watcher is not None:
                self._watcher.cancel()
            if self._engine is not None and not await self._engine.stop():
                self._exit_code = self._exit_code or 1
            if self._stop_flag is not None:
                self._stop_flag.set()  # kopf waits 5 s for whoever still waits for this flag, itself

        return registry

    async def _monitor(self, engine: Engine) -> None:
        try:
            await engine.ended
        except LeadershipLost as error:
            self._exit_code = 1
            log.error("the operator ends, to be restarted: %s", error)
        except Exception:
            self._exit_code = 1
            log.exception("the operator ends")
        if self._exit_code:
            assert self._stop_flag is not None
            self._stop_flag.set()


def _kopf_settings() -> kopf.OperatorSettings:
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    settings.scanning.disabled = True
    settings.peering.standalone = True
    settings.networking.request_timeout = 30
    settings.networking.error_backoffs = EndlessBackoff()
    return settings
