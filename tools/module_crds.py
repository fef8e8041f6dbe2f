"""Take the CustomResourceDefinitions of well-known controllers out of their Go modules: tests/fixtures/crds.json.

    python tools/module_crds.py    # downloads about 30 modules, 300 MB, with `go mod download`

The checksum database verifies each module. Of a schema only the fields of the status are kept, and of these only
`conditions` and `failure` in full: the rest accepts everything. Conversion webhooks are left out.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import yaml

ROOT = Path(__file__).parents[1]
FILE = ROOT / "tests" / "fixtures" / "crds.json"
IN_FULL = ("conditions", "failure")
ANYTHING: dict[str, Any] = {"x-kubernetes-preserve-unknown-fields": True}

Object = dict[str, Any]


class Module(NamedTuple):
    """A Go module in one version, and its files that hold CRDs."""

    name: str
    files: tuple[str, ...]


MODULES = (
    Module("sigs.k8s.io/jobset@v0.11.1", ("config/components/crd/bases/jobset.x-k8s.io_jobsets.yaml",)),
    Module("sigs.k8s.io/lws@v0.8.0", ("config/crd/bases/leaderworkerset.x-k8s.io_leaderworkersets.yaml",)),
    Module("sigs.k8s.io/agent-sandbox@v0.1.0", ("k8s/crds/*_sandboxes.yaml", "k8s/crds/*_sandboxclaims.yaml")),
    Module("github.com/ray-project/kuberay/ray-operator@v1.6.0", ("config/crd/bases/ray.io_*.yaml",)),
    Module(
        "github.com/kubeflow/training-operator@v1.9.3",
        tuple(
            f"manifests/base/crds/kubeflow.org_{kind}jobs.yaml"
            for kind in ("pytorch", "tf", "xgboost", "paddle", "jax")
        ),
    ),
    Module("github.com/kubeflow/trainer/v2@v2.2.0", ("manifests/base/crds/trainer.kubeflow.org_trainjobs.yaml",)),
    Module("github.com/kubeflow/mpi-operator@v0.8.0", ("manifests/base/kubeflow.org_mpijobs.yaml",)),
    Module("github.com/kubeflow/spark-operator/v2@v2.5.0", ("config/crd/bases/sparkoperator.k8s.io_*.yaml",)),
    Module(
        "github.com/kubeflow/katib@v0.19.0",
        tuple(f"manifests/v1beta1/components/crd/{kind}.yaml" for kind in ("experiment", "trial", "suggestion")),
    ),
    Module(
        "github.com/argoproj/argo-workflows/v4@v4.0.5",
        tuple(f"manifests/base/crds/full/argoproj.io_{kind}.yaml" for kind in ("workflows", "cronworkflows")),
    ),
    Module(
        "github.com/argoproj/argo-rollouts@v1.8.5",
        tuple(f"manifests/crds/{kind}-crd.yaml" for kind in ("rollout", "analysis-run", "experiment")),
    ),
    Module(
        "github.com/tektoncd/pipeline@v1.6.0",
        ("config/300-crds/300-pipelinerun.yaml", "config/300-crds/300-taskrun.yaml"),
    ),
    Module(
        "knative.dev/serving@v0.51.0",
        tuple(f"config/core/300-resources/{kind}.yaml" for kind in ("service", "configuration", "revision")),
    ),
    Module("github.com/kserve/kserve@v0.15.2", ("config/crd/full/serving.kserve.io_inferenceservices.yaml",)),
    Module(
        "github.com/project-codeflare/appwrapper@v1.1.2", ("config/crd/bases/workload.codeflare.dev_appwrappers.yaml",)
    ),
    Module("github.com/kedacore/keda/v2@v2.21.0", ("config/crd/bases/keda.sh_scaledjobs.yaml",)),
    Module("github.com/cloudnative-pg/cloudnative-pg@v1.26.0", ("config/crd/bases/postgresql.cnpg.io_clusters.yaml",)),
    Module(
        "github.com/crossplane/crossplane@v1.20.0",
        ("cluster/crds/pkg.crossplane.io_providers.yaml", "cluster/crds/pkg.crossplane.io_providerrevisions.yaml"),
    ),
    Module(
        "github.com/openkruise/kruise@v1.8.0",
        tuple(
            f"config/crd/bases/apps.kruise.io_{kind}.yaml"
            for kind in ("clonesets", "statefulsets", "uniteddeployments", "advancedcronjobs")
        ),
    ),
    Module(
        "github.com/actions/actions-runner-controller@v0.27.6",
        tuple(
            f"config/crd/bases/actions.github.com_{kind}.yaml"
            for kind in ("autoscalingrunnersets", "ephemeralrunnersets", "ephemeralrunners")
        ),
    ),
    Module(
        "github.com/elastic/cloud-on-k8s/v3@v3.5.0",
        ("config/crds/v1/resources/elasticsearch.k8s.elastic.co_elasticsearches.yaml",),
    ),
    Module("github.com/rabbitmq/cluster-operator/v2@v2.12.1", ("config/crd/bases/rabbitmq.com_rabbitmqclusters.yaml",)),
    Module("github.com/mongodb/mongodb-kubernetes-operator@v0.9.0", ("config/crd/bases/*_mongodbcommunity.yaml",)),
    Module(
        "github.com/prometheus-operator/prometheus-operator@v0.85.0",
        ("example/prometheus-operator-crd/monitoring.coreos.com_prometheuses.yaml",),
    ),
    Module("github.com/NVIDIA/gpu-operator@v1.11.1", ("config/crd/bases/nvidia.com_clusterpolicies.yaml",)),
    Module("github.com/zalando/postgres-operator@v1.14.0", ("manifests/postgresql.crd.yaml",)),
)


def main() -> None:
    FILE.write_text(text_of([read(module) for module in MODULES]))


def read(module: Module) -> Object:
    """Its CRDs, made small. Raises CalledProcessError where it cannot be downloaded."""
    done = subprocess.run(["go", "mod", "download", "-json", module.name], capture_output=True, text=True, check=True)
    answer = json.loads(done.stdout)
    folder = Path(answer["Dir"])
    files = sorted(file for pattern in module.files for file in folder.glob(pattern))
    if len(files) < len(module.files):
        sys.exit(f"{module.name} does not have all of {', '.join(module.files)}")
    crds = [small(crd) for file in files for crd in _documents(file) if crd["kind"] == "CustomResourceDefinition"]
    return {"module": module.name, "sum": answer["Sum"], "crds": crds}


def text_of(modules: list[Object]) -> str:
    """A line for each CRD, so that a difference can be read."""
    lines = []
    for module in modules:
        crds = ",\n".join(f"  {json.dumps(crd, separators=(',', ':'))}" for crd in module["crds"])
        lines.append(f'{{"module": "{module["module"]}", "sum": "{module["sum"]}", "crds": [\n{crds}\n]}}')
    return "[\n" + ",\n".join(lines) + "\n]\n"


def small(crd: Object) -> Object:
    """Names, scope and versions as they are; schemas with what decides where a verdict can be written."""
    spec = crd["spec"]
    names = {key: spec["names"][key] for key in ("kind", "listKind", "plural", "singular") if key in spec["names"]}
    return {
        "apiVersion": crd["apiVersion"],
        "kind": crd["kind"],
        "metadata": {"name": crd["metadata"]["name"], "annotations": _approval(crd)},
        "spec": {
            "group": spec["group"],
            "names": names,
            "scope": spec["scope"],
            "versions": [_version(version) for version in spec["versions"]],
        },
    }


def _approval(crd: Object) -> Object:
    """The annotation without which the API server refuses groups of Kubernetes' own domains."""
    name = "api-approved.kubernetes.io"
    given = crd["metadata"].get("annotations") or {}
    return {name: given[name]} if name in given else {}


def _version(version: Object) -> Object:
    schema = version["schema"]["openAPIV3Schema"]
    properties: Object = {"spec": {"type": "object", **ANYTHING}}
    if "status" in schema.get("properties", {}):
        properties["status"] = _status(schema["properties"]["status"])
    preserved = {key: schema[key] for key in ANYTHING if key in schema}
    kept: Object = {key: version[key] for key in ("name", "served", "storage", "subresources") if key in version}
    if "status" not in kept.get("subresources", {}):
        kept.pop("subresources", None)
    else:
        kept["subresources"] = {"status": {}}
    return {**kept, "schema": {"openAPIV3Schema": {"type": "object", "properties": properties, **preserved}}}


def _status(schema: Object) -> Object:
    kept = {key: schema[key] for key in ("type", *ANYTHING) if key in schema}
    fields = schema.get("properties", {})
    if fields:
        kept["properties"] = {name: _field(name, field) for name, field in fields.items()}
    return kept


def _field(name: str, schema: Object) -> Object:
    if name in IN_FULL:
        field: Object = _without_descriptions(schema)
        return field
    match schema.get("type"):
        case "object":
            return {"type": "object", **ANYTHING}
        case "array":
            return {"type": "array", "items": ANYTHING}
        case str(simple):
            return {"type": simple}
        case _:
            return ANYTHING


def _without_descriptions(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_without_descriptions(each) for each in schema]
    if isinstance(schema, dict):
        return {
            key: _without_descriptions(each)
            for key, each in schema.items()
            if key != "description" or not isinstance(each, str)
        }
    return schema


def _documents(file: Path) -> list[Object]:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return [each for each in yaml.load_all(file.read_text(), loader) if each]


if __name__ == "__main__":
    main()
