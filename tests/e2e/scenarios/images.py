"""Images that cannot be pulled. The registries are small servers of our own: see registry.py."""

from tests.e2e.support.conditions import waits
from tests.e2e.support.manifests import make_pod, shell, volume
from tests.e2e.support.scenario import Scenario

PULLING = waits("ErrImagePull", "ImagePullBackOff")


def pulls(name: str, image: str, verdict: str) -> Scenario:
    pod = make_pod(name, shell("true", image=image), restart="Always")
    return Scenario(name, (pod,), verdict, PULLING, message=image if "registry" not in verdict else "")


def image_volume(name: str, image: str, verdict: str) -> Scenario:
    """The container's own image is there, that of its volume is not."""
    source, mount = volume("image", reference=image)
    pod = make_pod(name, shell("sleep 3600", volumeMounts=[mount]), volumes=[source])
    return Scenario(name, (pod,), verdict, PULLING, message=image)


SCENARIOS = (
    pulls("e4-registry-404", "localhost:5001/team/app:1.2", "user-config/image-not-found"),
    pulls("e5-registry-401", "localhost:5002/team/app:1.2", "user-config/image-auth"),
    pulls("e7-registry-403", "localhost:5003/team/app:1.2", "user-config/image-auth"),
    pulls("e8-registry-429", "localhost:5004/team/app:1.2", "platform/registry-rate-limited"),
    pulls("e9-registry-500", "localhost:5005/team/app:1.2", "platform/registry-unavailable"),
    pulls("e10-platform-mismatch", "localhost:5006/team/app:1.2", "user-config/image-platform-mismatch"),
    pulls("e11-registry-x509", "localhost:5007/team/app:1.2", "platform/registry-unavailable"),
    pulls("e12-registry-unknown-host", "localhost:5008/team/app:1.2", "platform/registry-unavailable"),
    pulls("e13-blob-missing", "localhost:5009/team/app:1.2", "user-config/image-not-found"),
    pulls("e14-registry-closed-port", "localhost:5010/team/app:1.2", "platform/registry-unavailable"),
    pulls("e15-registry-503", "localhost:5011/team/app:1.2", "platform/registry-unavailable"),
    pulls("e16-name-unknown", "localhost:5012/team/app:1.2", "user-config/image-not-found"),
    pulls("e17-registry-not-http", "localhost:5013/team/app:1.2", "platform/registry-unavailable"),
    image_volume("e19-image-volume-404", "localhost:5001/team/model:3", "user-config/image-not-found"),
)
