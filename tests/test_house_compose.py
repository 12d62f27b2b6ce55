"""docker-compose.yml: valid by the Compose specification, one door, and no password where users' code runs.

Checked statically only; no Docker engine takes part.
"""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

ROOT = Path(__file__).parents[1]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = sorted(set(SERVICES) - {"database"})
NODES = sorted(name for name in SERVICES if name.startswith("ray-"))
STORE_USERS = sorted(name for name in OURS if "ARCHSTUDY_STORE" in SERVICES[name].get("environment", {}))
FILES_USERS = ["dashboard", *NODES, "service"]


def test_it_follows_the_compose_specification() -> None:
    schema = json.loads((ROOT / "tests/data/compose-spec.json").read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    mistakes = [f"{error.json_path}: {error.message}" for error in Draft202012Validator(schema).iter_errors(COMPOSE)]
    assert not mistakes, "docker-compose.yml: " + "; ".join(mistakes)


def test_the_specification_would_find_a_mistake() -> None:
    schema = json.loads((ROOT / "tests/data/compose-spec.json").read_text(encoding="utf-8"))
    spoilt = {"services": {"database": {"image": "postgres:18", "helthcheck": {}}}}
    assert not Draft202012Validator(schema).is_valid(spoilt)


def test_only_the_dashboard_is_published_and_on_the_loopback() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert published == {"dashboard": ["127.0.0.1:8501:8501"]}, "publish nothing else; reach other services by name"
    assert all("network_mode" not in service for service in SERVICES.values()), "a host network publishes every port"


@pytest.mark.parametrize("name", NODES)
def test_a_ray_node_holds_no_database_password(name: str) -> None:
    held = json.dumps([SERVICES[name].get(part) for part in ("environment", "env_file", "secrets", "command")])
    for word in ("ARCHSTUDY_STORE", "PASSWORD", "POSTGRES", "postgresql"):
        assert word not in held, f"{name} runs users' studies: take {word} away, only the conductor knows the database"


@pytest.mark.parametrize("name", [*NODES, "service"])
def test_a_member_of_the_cluster_shows_the_token(name: str) -> None:
    service = SERVICES[name]
    assert service["environment"]["RAY_AUTH_MODE"] == "token", f"{name}: without RAY_AUTH_MODE=token the head is open"
    assert service["environment"]["RAY_AUTH_TOKEN_PATH"] == "/run/secrets/ray_token"
    assert service["secrets"] == ["ray_token"]


def test_no_secret_is_written_down() -> None:
    assert COMPOSE["secrets"] == {"ray_token": {"environment": "RAY_AUTH_TOKEN"}}
    for name in ["database", *STORE_USERS]:
        held = {key: value for key, value in SERVICES[name]["environment"].items() if key.endswith("PASSWORD")}
        assert held, f"{name} cannot reach the database without a password"
        assert all(value.startswith("${POSTGRES_PASSWORD:?") for value in held.values()), (
            f"{name}: take it from outside"
        )


def test_the_head_listens_outside_of_the_ports_that_ray_gives_to_workers() -> None:
    port = next(int(word.split("=")[1]) for word in SERVICES["ray-head"]["command"] if word.startswith("--port="))
    assert not 10002 <= port <= 19999
    for name in set(NODES) - {"ray-head"}:
        assert f"--address=ray-head:{port}" in SERVICES[name]["command"], f"{name} must join ray-head:{port}"


def test_the_migration_runs_once() -> None:
    assert SERVICES["migrate"]["command"] == ["db", "upgrade"]
    assert SERVICES["migrate"]["restart"] == "no"
    assert SERVICES["migrate"]["depends_on"] == {"database": {"condition": "service_healthy"}}


@pytest.mark.parametrize("name", sorted(set(OURS) - {"migrate"}))
def test_everything_else_of_ours_waits_for_the_migration(name: str) -> None:
    assert SERVICES[name]["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}


def test_a_service_that_is_waited_for_says_when_it_is_healthy() -> None:
    for name, service in SERVICES.items():
        for other, how in service.get("depends_on", {}).items():
            if how["condition"] == "service_healthy":
                assert "healthcheck" in SERVICES[other], f"{name} waits for {other}, which needs a healthcheck"


def test_the_gpu_worker_and_what_serves_studies_need_to_be_asked_for() -> None:
    profiles = {name: service["profiles"] for name, service in SERVICES.items() if "profiles" in service}
    assert profiles == {"ray-worker-gpu": ["gpu"], "service": ["serve"]}
    devices = SERVICES["ray-worker-gpu"]["deploy"]["resources"]["reservations"]["devices"]
    assert [device["capabilities"] for device in devices] == [["gpu"]]


def test_our_services_share_one_image() -> None:
    assert len({SERVICES[name]["image"] for name in OURS}) == 1, "merge <<: *archstudy into every service of ours"
    assert len({json.dumps(SERVICES[name]["build"], sort_keys=True) for name in OURS}) == 1


@pytest.mark.parametrize("name", FILES_USERS)
def test_checkpoints_are_one_volume(name: str) -> None:
    mount = "files:/files:ro" if name == "dashboard" else "files:/files"
    assert SERVICES[name]["volumes"] == [mount]
    assert SERVICES[name]["environment"]["ARCHSTUDY_FILES"] == "/files"


def test_volumes_and_secrets_that_are_used_are_declared() -> None:
    volumes = {mount.split(":")[0] for service in SERVICES.values() for mount in service.get("volumes", [])}
    secrets = {secret for service in SERVICES.values() for secret in service.get("secrets", [])}
    assert volumes == set(COMPOSE["volumes"])
    assert secrets == set(COMPOSE["secrets"])
