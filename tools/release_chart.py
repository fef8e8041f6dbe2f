"""The chart as it is released: `python tools/release_chart.py FOLDER SOURCE IMAGE` writes a copy into FOLDER.

The copy says where it is from and which image it runs, which is known only when it is released: home, sources, the
links, images and example of Artifact Hub, and in values.yaml `image.registry`, `image.repository`, `image.digest` and
`prometheusRule.runbookUrl`.
"""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

import yaml

from coroner_operator.model import report_codec, sample_reports

ROOT = Path(__file__).resolve().parents[1]
CHART = ROOT / "deploy" / "helm" / "coroner"
IMAGE = re.compile(r"(?P<registry>[^/]+)/(?P<repository>[^@]+)@(?P<digest>sha256:[0-9a-f]{64})")


def docs_of(source: str, version: str) -> str:
    """The URL of the folder docs/ of a release."""
    return f"{source}/blob/v{version}/docs"


def with_source(chart_yaml: str, source: str, image: str) -> str:
    """Chart.yaml with the repository's address and the image."""
    chart = yaml.safe_load(chart_yaml)
    docs = docs_of(source, chart["version"])
    chart |= {"home": source, "sources": [source]}
    links = [
        {"name": name, "url": f"{docs}/{file}"}
        for name, file in (("Install", "install.md"), ("Verdicts", "verdicts.md"))
    ]
    report = sample_reports.failing()
    status = {key: value for key, value in report_codec.to_status(report).items() if key != "ledger"}
    example = {**report_codec.to_object(report), "status": status}
    chart["annotations"] |= {
        "artifacthub.io/crdsExamples": yaml.safe_dump([example], sort_keys=False),
        "artifacthub.io/links": yaml.safe_dump(links, sort_keys=False),
        "artifacthub.io/images": yaml.safe_dump([{"name": "coroner", "image": image}], sort_keys=False),
    }
    return yaml.safe_dump(chart, sort_keys=False, width=1000)


def with_image(values_yaml: str, image: str) -> str:
    """values.yaml with the image's registry, repository and digest; comments stay. ValueError without a digest."""
    parts = IMAGE.fullmatch(image)
    if not parts:
        raise ValueError(f"not of the form REGISTRY/REPOSITORY@sha256:DIGEST: {image}")
    head, mark, rest = values_yaml.partition("\nimage:\n")
    if not mark:
        raise ValueError("values.yaml has no image")
    for key, value in parts.groupdict().items():
        rest, count = re.subn(rf"^(  {key}:).*$", rf'\1 "{value}"', rest, count=1, flags=re.MULTILINE)
        if not count:
            raise ValueError(f"values.yaml has no image.{key}")
    return head + mark + rest


def with_runbooks(values_yaml: str, docs: str) -> str:
    """values.yaml whose alerts link to the runbooks below this URL. ValueError if it has no such value."""
    text, count = re.subn(r"^  runbookUrl:.*$", f'  runbookUrl: "{docs}/runbooks"', values_yaml, flags=re.MULTILINE)
    if count != 1:
        raise ValueError("values.yaml has no prometheusRule.runbookUrl")
    return text


def main(folder: str, source: str, image: str) -> None:
    target = Path(folder) / CHART.name
    shutil.copytree(CHART, target)
    chart, values = target / "Chart.yaml", target / "values.yaml"
    chart.write_text(with_source(chart.read_text(), source, image))
    docs = docs_of(source, yaml.safe_load((CHART / "Chart.yaml").read_text())["version"])
    values.write_text(with_runbooks(with_image(values.read_text(), image), docs))


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(f"usage: {sys.argv[0]} FOLDER SOURCE IMAGE")
    main(*sys.argv[1:])
