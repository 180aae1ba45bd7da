"""Pods of deploy/kubernetes as local processes: the same commands and files, below another root.

Secrets lie in folders as Kubernetes mounts them, so that tests can swap them in the same way.
"""

import os
import re
from pathlib import Path

from tests.deploy import manifests
from tests.deploy.manifests import Object, container
from tests.programs import Program, free_port


def mount_files(objects: list[Object], workloads: list[Object], root: Path) -> Path:
    """Write the files that the pods mount below `root`, with `file:` references adapted; returns `root`."""
    for workload in workloads:
        for mount, volume in manifests.mounts(workload):
            if "emptyDir" in volume:
                continue
            path = root / mount["mountPath"].lstrip("/")
            content = manifests.files(objects, volume)
            if "subPath" in mount:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(_here(content[mount["subPath"]], root))
            else:
                swap(path, content)
    return root


def _here(text: str, root: Path) -> str:
    return text.replace("file:/", f"file:{root}/")


def swap(folder: Path, content: dict[str, str]) -> None:
    """Fill a mounted folder, or replace all its files at once, by renaming a link
    (https://pkg.go.dev/k8s.io/kubernetes/pkg/volume/util#AtomicWriter)."""
    folder.mkdir(parents=True, exist_ok=True)
    data = folder / f"..{len(list(folder.glob('..2*'))) + 2000}"
    data.mkdir()
    for name, text in content.items():
        (data / name).write_text(text)
    (folder / "..data_tmp").symlink_to(data.name)
    os.replace(folder / "..data_tmp", folder / "..data")
    for name in content:
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(f"..data/{name}")
    for link in folder.glob("[!.]*"):
        if not link.exists():
            link.unlink()


class Pod(Program):
    """The only container of a workload, started. `ports` are the local ports, by their names in the manifest."""

    def __init__(self, workload: Object, root: Path, **environ: str) -> None:
        spec = container(workload)
        self.probes = manifests.probes(workload)
        self.ports = {port["name"]: free_port() for port in spec["ports"]}
        file = root / spec["workingDir"].lstrip("/") / f"{workload['metadata']['name']}.toml"
        text = (file.parent / "hookbus.toml").read_text()
        for port in spec["ports"]:
            text = text.replace(f"0.0.0.0:{port['containerPort']}", f"127.0.0.1:{self.ports[port['name']]}")
        file.write_text(text)
        [url] = re.findall(r'redis_url = "(.*)"', text)
        command = [*spec["command"], *spec.get("args", ()), "--config", file.name]
        super().__init__(*command, redis_url=url, cwd=file.parent, **environ)

    def url(self, name: str, path: str) -> str:
        """URL of a path on a named port."""
        return f"http://127.0.0.1:{self.ports[name]}{path}"

    def __enter__(self) -> "Pod":
        return self
