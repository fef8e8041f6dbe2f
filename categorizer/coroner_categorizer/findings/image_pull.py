"""Why an image could not be pulled: the cause behind ErrImagePull and ImagePullBackOff (trap 8).

The kubelet alternates between the two until it succeeds. BackOff's message carries the cause in Kubernetes 1.32+
(``Back-off pulling image "X": ErrImagePull: CAUSE``); before that only the event and the earlier status had it.
"""

from __future__ import annotations

from collections.abc import Iterable

from coroner_categorizer.linear_regex import LinearRegex
from coroner_categorizer.objects.event import Event

WAITING_REASONS = (
    "ErrImagePull",
    "ImagePullBackOff",
    "RegistryUnavailable",
    "SignatureValidationFailed",
    "ImageInspectError",
)

_BACK_OFF = LinearRegex(r'^Back-off pulling image "[^"]*"(?:: )?')
_EVENT = LinearRegex(r'^Failed to pull image "([^"]*)": ')
_SECRETS = LinearRegex(r"^Unable to retrieve some image pull secrets \(([^)]+)\)")
_REASON_PREFIX = LinearRegex(r"^(?:ErrImagePull|RegistryUnavailable|SignatureValidationFailed): ")


def pull_cause(message: str) -> str:
    """The cause in a waiting message; "" where the message only says that the kubelet backs off.

    The answers of mirrors are left out: the registry itself was asked after them.
    """
    return _without_mirrors(_REASON_PREFIX.remove_prefix(_BACK_OFF.remove_prefix(message))).strip()


def _without_mirrors(cause: str) -> str:
    """CRI-O and Podman name every mirror that was asked before the registry itself."""
    before, _, after = cause.partition("(Mirrors also failed: [")
    _, end, registry = after.partition("]): ")
    return before + registry if end else cause


def missing_pull_secrets(events: Iterable[Event]) -> str | None:
    """The names of the imagePullSecrets that the kubelet could not read, as it lists them."""
    found = (_SECRETS.match(event.text) for event in events if event.reason == "FailedToRetrieveImagePullSecret")
    return next((match.groups[0] for match in found if match), None)


def pull_cause_in_events(events: Iterable[Event], container: str, image: str) -> str:
    """The cause that the newest event of this container, or of this image, gives; "" if none does.

    The kubelet's own reason is ``Failed``; kubelets of cloud providers have others for the same text.
    """
    causes = [
        (event.last_seen or event.first_seen, event.text[found.end :])
        for event in events
        if (found := _EVENT.match(event.text))
        and (event.container == container if event.container else found.groups[0] == image)
    ]
    timed = [(at, cause) for at, cause in causes if at]
    if timed:
        return max(timed)[1]
    return causes[-1][1] if causes else ""
