"""The manifests, put together by kustomize and held against the API of Kubernetes, field by field."""

import json
import os
import re
import subprocess
from pathlib import Path

from components import COLLECTOR, REPO, packages
from report import log

MANIFESTS = REPO / "examples/kubernetes"
KUSTOMIZE = "5.7.1"
VALIDATE = ("kubernetes-validate==1.36.0",)
# Of the Prometheus operator; the API of Kubernetes does not know it.
FOREIGN = {"PodMonitor"}
BOTH = {"Namespace", "ServiceAccount", "DaemonSet", "NetworkPolicy", "PodMonitor"}
WANTED = {"scrape": BOTH, "gateway": BOTH | {"Deployment", "Service", "ConfigMap"}}

# Reads documents of YAML, holds each against the schema without any unknown field, and prints them as JSON.
READ = f"""
import json, sys, yaml, kubernetes_validate as v
documents = [d for d in yaml.safe_load_all(sys.stdin) if d]
for d in documents:
    if d["kind"] not in {sorted(FOREIGN)!r}:
        v.validate(d, "1.36", strict=True)
print(json.dumps(documents))
"""


def run(report, directory):
    rendered = {}
    for name, wanted in WANTED.items():
        with report.check(f"kubernetes: {name} is valid, strictly") as check:
            rendered[name] = documents(kustomize(MANIFESTS / name))
            check.same("what there is", {d["kind"] for d in rendered[name]}, wanted)
            together(check, rendered[name])
            for document in rendered[name]:
                frugal(check, document)
    with report.check("kubernetes: the strict check refuses a field that is misspelt") as check:
        text = (MANIFESTS / "base/daemonset.yaml").read_text().replace("hostPID:", "hostPid:")
        check.that("hostPid" in str(refused(text)), "hostPid was taken")
    with report.check("kubernetes: the agents send to the gateway, and scraped ones do not") as check:
        check.same("sent", endpoint(rendered["gateway"]), "http://hostmeter-gateway:4317")
        check.same("scraped", endpoint(rendered["scrape"]), None)
    with report.check("kubernetes: the component of processes gives two capabilities") as check:
        both = directory / "kustomization.yaml"
        relative = os.path.relpath(MANIFESTS, directory)
        both.write_text(f"resources: [{relative}/scrape]\ncomponents: [{relative}/processes]\n")
        agent = next(d for d in documents(kustomize(directory)) if d["kind"] == "DaemonSet")
        context = agent["spec"]["template"]["spec"]["containers"][0]["securityContext"]
        check.same("capabilities", context["capabilities"], {"add": ["SYS_PTRACE", "DAC_READ_SEARCH"], "drop": ["ALL"]})
    with report.check("kubernetes: the gateway's configuration is good") as check:
        collector(check, rendered["gateway"], directory)
    with report.check("kubernetes: the sidecar is valid, strictly") as check:
        pod = documents((MANIFESTS / "sidecar.yaml").read_text())[0]
        frugal(check, pod)
        check.that(pod["spec"]["shareProcessNamespace"], "the PID namespace is not shared")
    print("NOT CHECKED: the manifests in a cluster, because there is none here; the operator's PodMonitor by no schema.")


def kustomize(directory):
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / f"hostmeter/kustomize-{KUSTOMIZE}"
    if not (cache / "kustomize").exists():
        log(f"building kustomize {KUSTOMIZE}")
        package = f"sigs.k8s.io/kustomize/kustomize/v5@v{KUSTOMIZE}"
        subprocess.run(["go", "install", package], check=True, env=os.environ | {"GOBIN": str(cache)})
    done = subprocess.run([cache / "kustomize", "build", directory], capture_output=True, text=True)
    if done.returncode or done.stderr:
        raise RuntimeError(done.stderr.strip()[-600:])
    return done.stdout


def read(text):
    return subprocess.run([packages(*VALIDATE), "-c", READ], input=text, capture_output=True, text=True)


def documents(text):
    done = read(text)
    if done.returncode:
        raise ValueError(done.stderr.strip()[-800:])
    return json.loads(done.stdout)


def refused(text):
    """What is said against it; nothing where it is taken."""
    done = read(text)
    return done.stderr if done.returncode else None


def pod_of(document):
    spec = document["spec"]
    return spec if document["kind"] == "Pod" else spec.get("template", {}).get("spec")


def frugal(check, document):
    """Whoever runs has no right that nothing asks for, and ceilings."""
    pod = pod_of(document) if "spec" in document else None
    if not pod:
        return
    name = document["metadata"]["name"]
    check.that(pod["securityContext"]["runAsNonRoot"], f"{name} may be root")
    check.same(f"{name}: the token", pod["automountServiceAccountToken"], False)
    for container in pod["containers"]:
        context = container["securityContext"]
        check.same(f"{name}: capabilities", context["capabilities"], {"drop": ["ALL"]})
        check.that(context["readOnlyRootFilesystem"], f"{name} may write to its root")
        check.same(f"{name}: escalation", context["allowPrivilegeEscalation"], False)
        check.that(container["resources"]["limits"]["memory"], f"{name} has no limit for memory")
    for volume in pod.get("volumes", []):
        if "hostPath" in volume:
            mounts = [m for c in pod["containers"] for m in c["volumeMounts"] if m["name"] == volume["name"]]
            check.that(all(m.get("readOnly") for m in mounts), f"{name} may write to the node")


def together(check, all_of_it):
    """What names something by a label or a port finds it."""
    pods = [d for d in all_of_it if d["kind"] in ("DaemonSet", "Deployment")]
    labels = [d["spec"]["template"]["metadata"]["labels"] for d in pods]
    ports = {p["name"] for d in pods for c in pod_of(d)["containers"] for p in c["ports"]}
    for document in all_of_it:
        kind, spec = document["kind"], document.get("spec", {})
        if document["kind"] != "Namespace":
            check.same(f"{kind}: the namespace", document["metadata"].get("namespace"), "hostmeter")
        selector = spec.get("podSelector", spec.get("selector"))
        if selector:
            selector = selector.get("matchLabels", selector)
            check.that(any(selector.items() <= l.items() for l in labels), f"{kind} selects nobody: {selector}")
    named = re.findall(r'"(?:targetPort|port)": "([a-z-]+)"', json.dumps(all_of_it))
    check.that(named and set(named) <= ports, f"no such port: {set(named) - ports}")


def endpoint(all_of_it):
    agent = next(d for d in all_of_it if d["kind"] == "DaemonSet")
    environment = agent["spec"]["template"]["spec"]["containers"][0]["env"]
    return next((e["value"] for e in environment if e["name"] == "OTEL_EXPORTER_OTLP_ENDPOINT"), None)


def collector(check, all_of_it, directory):
    config = next(d for d in all_of_it if d["kind"] == "ConfigMap")["data"]["gateway.yaml"]
    path = directory / "gateway.yaml"
    path.write_text(config)
    done = subprocess.run([COLLECTOR, "validate", "--config", path], capture_output=True, text=True,
                          env=os.environ | {"POD_IP": "127.0.0.1"})
    check.that(done.returncode == 0, done.stderr.strip()[-400:])
