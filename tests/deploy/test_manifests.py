"""deploy/kubernetes renders, is valid for Kubernetes and its extensions, and requests no privileges."""

import jsonschema
import kubernetes_validate
import pytest
import yaml
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from tests.deploy import manifests
from tests.deploy.manifests import OVERLAYS, container, of_kind, pod, rendered, selects, workloads
from tests.programs import ROOT

OLDEST = "1.30"
"""The oldest version in the README of the folder: `preStop.sleep` is on by default from it on."""
SCHEMAS = {file.stem: yaml.safe_load(file.read_text()) for file in (ROOT / "tests/deploy/schemas").glob("*.yaml")}
EXTENDED = sorted(SCHEMAS.keys() - {"metadata"})
REGISTRY = Registry().with_resources(
    (f"{name}.yaml", Resource.from_contents(schema, DRAFT202012)) for name, schema in SCHEMAS.items()
)

every_overlay = pytest.mark.parametrize("overlay", OVERLAYS)


def check(found: manifests.Object) -> None:
    """Raises jsonschema.ValidationError unless an object fits the schema of its kind."""
    jsonschema.Draft202012Validator(SCHEMAS[found["kind"]], registry=REGISTRY).validate(found)


@every_overlay
@pytest.mark.parametrize("version", [OLDEST, kubernetes_validate.latest_version()])
def test_every_object_of_kubernetes_own_kinds_is_valid(overlay, version):
    for found in rendered(overlay):
        if found["kind"] not in EXTENDED:
            kubernetes_validate.validate(found, version, strict=True)


def test_every_other_object_fits_the_schema_of_its_kind(with_gateway):
    kinds = set()
    for found in (*rendered("dev"), *rendered("production"), *with_gateway):
        if found["kind"] in EXTENDED:
            check(found)
            kinds.add(found["kind"])
    assert kinds == set(EXTENDED)


@pytest.mark.parametrize("kind", EXTENDED)
def test_a_misspelt_field_fits_no_schema(with_gateway, kind):
    found = of_kind([*rendered("production"), *with_gateway], kind)[0]
    field = next(iter(found["spec"]))
    with pytest.raises(jsonschema.ValidationError):
        check(found | {"spec": {**found["spec"], f"{field}s": found["spec"][field]}})


@every_overlay
def test_every_pod_meets_the_restricted_pod_security_standard(overlay):
    """https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted, and a root that is read-only."""
    for workload in workloads(rendered(overlay)):
        inside = container(workload)["securityContext"]
        outside = pod(workload)["securityContext"]
        assert inside == {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        }
        assert outside["runAsNonRoot"]
        assert outside["runAsUser"] > 0
        assert outside["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not pod(workload)["automountServiceAccountToken"]
        kinds = {kind for volume in pod(workload).get("volumes", ()) for kind in volume if kind != "name"}
        assert kinds <= {"configMap", "secret", "emptyDir"}


@every_overlay
def test_every_container_has_requests_a_limit_of_memory_and_none_of_cpu(overlay):
    for workload in workloads(rendered(overlay)):
        resources = container(workload)["resources"]
        assert resources["requests"].keys() == {"cpu", "memory"}
        assert resources["limits"].keys() == {"memory"}, "throttling by a CPU limit delays acks"


@every_overlay
def test_every_workload_selects_its_own_pods_only(overlay):
    found = workloads(rendered(overlay))
    for workload in found:
        selector = workload["spec"]["selector"]
        assert [other for other in found if selects(selector, manifests.pod_labels(other))] == [workload]


@every_overlay
def test_every_service_and_budget_selects_pods_that_have_the_ports_it_names(overlay):
    objects = rendered(overlay)
    for service in of_kind(objects, "Service"):
        chosen = [w for w in workloads(objects) if selects(service["spec"]["selector"], manifests.pod_labels(w))]
        assert chosen
        for each in service["spec"]["ports"]:
            assert all(manifests.port(workload, each["targetPort"]) for workload in chosen)
    budgets = of_kind(objects, "PodDisruptionBudget")
    for budget in budgets:
        [chosen] = [w for w in workloads(objects) if selects(budget["spec"]["selector"], manifests.pod_labels(w))]
        assert budget["metadata"]["name"] == chosen["metadata"]["name"]
    replicated = [w for w in manifests.programs(objects) if w["spec"].get("replicas") != 1]
    assert len(budgets) == len(replicated)


@every_overlay
def test_pods_of_a_program_spread_over_zones_and_nodes(overlay):
    for workload in manifests.programs(rendered(overlay)):
        if workload["spec"].get("replicas") == 1:
            continue
        spread = pod(workload)["topologySpreadConstraints"]
        assert {each["topologyKey"] for each in spread} == {"topology.kubernetes.io/zone", "kubernetes.io/hostname"}
        for each in spread:
            assert each["labelSelector"] == workload["spec"]["selector"]
            assert each["whenUnsatisfiable"] == "ScheduleAnyway"
