"""docker-compose.yml as it is written: bounded, healthy by its own word, and without a secret."""

import re
import tomllib
from functools import cache
from typing import Any

import pytest
import yaml
from packaging.specifiers import SpecifierSet

from flight_assets.secret_files import (
    KAFKA,
    PASSWORDS,
    POSTGRES,
    SUPERUSER,
    USERS_OF_PAGES,
    keys_and_certificates,
)
from flight_assets.settings import PROJECT_ROOT, Settings
from tests.security.secured_kafka import SECURED

DEPLOY = PROJECT_ROOT / "deploy"
ONE_SHOT = {"migrate", "prepare"}
# what others than our settings read: images, Dagster, Compose itself
OTHERS_READ = re.compile(r"KAFKA_|CLUSTER_ID$|POSTGRES_INITDB_ARGS$|PGSSL")
SOUNDS_SECRET = re.compile(r"PASSWORD|SECRET(?!S$)|TOKEN|WEBHOOK|CREDENTIAL|_KEY")
DURATION = re.compile(r"(?:(\d+)m)?(?:(\d+)s)?")
ASKED_FOR = re.compile(r"\$\{(\w+)")


@cache
def text() -> str:
    return (PROJECT_ROOT / "docker-compose.yml").read_text()


@cache
def file() -> dict[str, Any]:
    return yaml.safe_load(text())


def services() -> dict[str, dict[str, Any]]:
    return file()["services"]


def ours() -> dict[str, dict[str, Any]]:
    return {n: each for n, each in services().items() if each["image"].startswith("flight-assets:")}


def seconds(duration: str) -> int:
    minutes, rest = DURATION.fullmatch(duration).groups()  # type: ignore[union-attr]
    return 60 * int(minutes or 0) + int(rest or 0)


every_service = pytest.mark.parametrize("name", services())


@every_service
def test_a_service_has_bounds_and_comes_back(name: str) -> None:
    service = services()[name]
    assert re.fullmatch(r"\d+[mg]", service["mem_limit"])
    assert service["logging"]["options"].keys() == {"max-size", "max-file"}
    assert service["restart"] == ("no" if name in ONE_SHOT else "unless-stopped")


@every_service
def test_a_service_writes_nowhere_but_to_its_volumes_and_can_gain_no_rights(name: str) -> None:
    service = services()[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in service and "network_mode" not in service
    assert ("cap_add" in service) == (name == "postgres")


@every_service
def test_a_long_lived_service_says_how_it_is(name: str) -> None:
    health = services()[name]["healthcheck"]
    if name in ONE_SHOT:  # the image's own is of the code location
        assert health == {"disable": True}
        return
    assert health["test"][0] == "CMD"
    assert seconds(health["interval"]) <= 10
    assert seconds(health["start_period"]) >= 30


@every_service
def test_a_service_waits_for_what_it_needs_to_be_healthy(name: str) -> None:
    for needed, how in services()[name].get("depends_on", {}).items():
        assert needed in services()
        ended = "service_completed_successfully"
        assert how["condition"] == (ended if needed in ONE_SHOT else "service_healthy")
        # what only a profile starts cannot be insisted on
        assert how.get("required", True) == ("profiles" not in services()[needed])


def test_what_is_ours_starts_after_the_migrations() -> None:
    def waits_for_migrate(name: str) -> bool:
        needed = services()[name].get("depends_on", {})
        return "migrate" in needed or any(waits_for_migrate(each) for each in needed)

    apart = {"migrate", "simulator"}  # `prepare` is what waits for it
    assert [name for name in ours() if name not in apart and not waits_for_migrate(name)] == []


def test_only_the_proxy_can_be_reached_from_outside() -> None:
    assert [name for name, each in services().items() if "ports" in each] == ["proxy"]


def test_what_is_ours_runs_as_the_owner_of_the_secrets_and_never_as_root() -> None:
    owner = "${FLIGHT_ASSETS_UID:-10001}:${FLIGHT_ASSETS_GID:-10001}"
    assert {each["user"] for each in ours().values()} == {owner}
    assert services()["proxy"]["user"] == owner


def test_what_has_to_end_in_order_is_given_the_time_for_it() -> None:
    patience = {n: seconds(each.get("stop_grace_period", "10s")) for n, each in services().items()}
    to_finish = services()["daemon"]["environment"]["RUNS_FINISH_WITHIN_S"]
    assert patience["daemon"] >= to_finish + 60  # Dagster's threads end first, interrupts last
    assert patience["poller"] >= 60 + 20  # a sweep, and what Kafka takes to acknowledge it
    assert min(patience["postgres"], patience["kafka"]) >= 60


@every_service
def test_no_secret_is_written_down(name: str) -> None:
    service = services()[name]
    for variable, value in service.get("environment", {}).items():
        if SOUNDS_SECRET.search(variable):
            assert variable.endswith("_FILE"), variable
            assert str(value).startswith("/run/secrets/"), variable
            assert str(value).removeprefix("/run/secrets/") in service["secrets"], variable
    assert not re.search("password|secret|token", str(service.get("command", "")))
    assert "env_file" not in service


def test_each_part_is_told_of_the_servers_that_it_needs() -> None:
    def told(variable: str) -> set[str]:
        return {name for name, each in ours().items() if variable in each.get("environment", {})}

    line = {"migrate", "prepare", "code", "daemon"}
    assert told("POSTGRES_HOST") == line | {"web", "viewer", "docs", "backup"}
    assert told("KAFKA_BOOTSTRAP_SERVERS") == line | {"poller"}
    assert told("FEED_SOURCE") == (line - {"migrate"}) | {"poller"}


def test_each_part_has_the_passwords_of_its_own_work_and_no_others() -> None:
    line = {"postgres_transform", "postgres_ingest", "postgres_dagster", "kafka_landing"}
    expected = {
        "postgres": {"postgres"},
        "kafka": {"kafka_admin"},
        "kafka-2": {"kafka_admin"},
        "kafka-3": {"kafka_admin"},
        "simulator": set(),
        # it gives everybody's to the servers, which keep what cannot be used to log in
        "migrate": {name.removesuffix("_password") for name in (SUPERUSER, *POSTGRES, *KAFKA)},
        "prepare": line,
        "poller": {"kafka_poller"},
        "code": line | {"postgres_backup", "smtp"},
        "daemon": line | {"postgres_backup", "smtp"},
        "backup": {"postgres_backup"},
        "web": {"postgres_dagster"},
        "viewer": {"postgres_dagster"},
        "docs": {"postgres_reader"},
        "proxy": set(),
    }
    found = {
        name: {
            secret.removesuffix("_password")
            for secret in each.get("secrets", [])
            if secret.endswith("_password")
        }
        for name, each in services().items()
    }
    assert found == expected


def test_each_part_logs_in_as_who_its_passwords_are_of() -> None:
    login_of = POSTGRES | KAFKA | {SUPERUSER: "flight_assets"}
    users = {
        "POSTGRES": "POSTGRES_USER",
        "POSTGRES_INGEST": "POSTGRES_INGEST_USER",
        "DAGSTER_POSTGRES": "DAGSTER_POSTGRES_USER",
        "BACKUP_POSTGRES": "BACKUP_POSTGRES_USER",
        "KAFKA_SASL": "KAFKA_SASL_USERNAME",
    }
    for name, service in ours().items():
        environment = service.get("environment", {})
        for server, user in users.items():
            password = environment.get(f"{server}_PASSWORD_FILE", "").removeprefix("/run/secrets/")
            assert environment.get(user) == login_of.get(password), name


@every_service
def test_a_part_that_talks_to_servers_knows_their_authority(name: str) -> None:
    environment = services()[name].get("environment", {})
    if environment.get("POSTGRES_HOST", "").startswith("/"):
        return  # a socket: nobody can be in between
    knows = "ca_certificate" in services()[name].get("secrets", [])
    if name in ours():
        assert knows == ("POSTGRES_HOST" in environment or "KAFKA_SASL_USERNAME" in environment)
    if "POSTGRES_HOST" in environment:
        assert environment["POSTGRES_SSLMODE"] == environment["PGSSLMODE"] == "verify-full"
    if "KAFKA_SASL_USERNAME" in environment:
        assert environment["KAFKA_SECURITY_PROTOCOL"] == "SASL_SSL"


def test_brokers_ask_for_a_log_in_and_authorise() -> None:
    assert SECURED["listener.security.protocol.map"] == "CLIENT:SASL_SSL,CONTROLLER:SSL"
    assert SECURED["allow.everyone.if.no.acl.found"] == "false"
    assert SECURED["authorizer.class.name"].endswith(".StandardAuthorizer")
    for name in ("kafka", "kafka-2", "kafka-3"):
        listeners = services()[name]["environment"]["KAFKA_LISTENERS"].split(",")
        assert {each.split("://")[0] for each in listeners} == {"CLIENT", "CONTROLLER"}


def test_postgres_lets_nobody_in_from_the_network_in_the_clear_or_without_a_password() -> None:
    lines = (DEPLOY / "postgres" / "pg_hba.conf").read_text().splitlines()
    rules = [line.split() for line in lines if not line.startswith("#")]
    over_the_network = [rule for rule in rules if rule[0] != "local"]
    inside = {tuple(rule[3:]) for rule in rules if rule[0] == "local"}
    assert inside == {("peer", "map=here"), ("scram-sha-256",)}
    assert {(rule[0], rule[-1]) for rule in over_the_network} == {("hostssl", "scram-sha-256")}
    command = services()["postgres"]["command"]
    assert "-cssl=on" in command and "-chba_file=/etc/flight-assets/pg_hba.conf" in command


def test_every_secret_is_a_file_apart_and_is_used() -> None:
    used = {secret for each in services().values() for secret in each.get("secrets", [])}
    assert used == file()["secrets"].keys()
    for secret, source in file()["secrets"].items():
        place = source["file"]
        assert place == f"./secrets/{secret}" or place == f"${{{secret.upper()}_FILE:-/dev/null}}"
    ignored = (PROJECT_ROOT / ".gitignore").read_text().splitlines()
    assert "/secrets/" in ignored and ".env" in ignored


@pytest.mark.parametrize("name", ours())
def test_a_setting_that_is_passed_is_one_that_there_is(name: str) -> None:
    known = {str(field.validation_alias) for field in Settings.model_fields.values()}
    passed = {each.removesuffix("_FILE") for each in ours()[name].get("environment", {})}
    assert {each for each in passed - known if not OTHERS_READ.match(each)} == set()


def test_a_profile_has_a_file_of_the_settings_that_it_needs() -> None:
    profiles = {profile for each in services().values() for profile in each.get("profiles", [])}
    assert profiles == {path.stem for path in DEPLOY.glob("*.env")} == {"simulator", "cluster"}
    passed = {name for each in ours().values() for name in each.get("environment", {})}
    for profile in profiles:
        lines = (DEPLOY / f"{profile}.env").read_text().splitlines()
        setting = {line.split("=")[0] for line in lines if not line.startswith("#")}
        assert setting <= {*ASKED_FOR.findall(text()), *passed}


def test_three_brokers_keep_each_message_on_two() -> None:
    lines = (DEPLOY / "cluster.env").read_text().splitlines()
    cluster = dict(line.split("=", 1) for line in lines if "=" in line)
    brokers = [name for name in services() if name.startswith("kafka")]
    assert [each.split(":")[0] for each in cluster["KAFKA_SERVERS"].split(",")] == brokers
    assert re.findall(r"@([\w-]+):", cluster["KAFKA_VOTERS"]) == brokers
    assert (cluster["KAFKA_REPLICAS"], cluster["KAFKA_INSYNC"]) == ("3", "2")
    ids = [services()[each]["environment"]["KAFKA_NODE_ID"] for each in brokers]
    assert cluster["KAFKA_VOTERS"].split(",")[0].startswith(f"{ids[0]}@") and len(set(ids)) == 3


def test_images_of_others_have_a_version() -> None:
    others = {each["image"] for name, each in services().items() if name not in ours()}
    assert [image for image in others if not re.search(r":\d", image)] == []


def test_the_image_is_for_a_python_of_the_project_and_checks_what_it_installs() -> None:
    dockerfile = (PROJECT_ROOT / "Dockerfile").read_text()
    bases = set(re.findall(r"^FROM python:([\d.]+)-slim\b", dockerfile, flags=re.MULTILINE))
    [version] = bases
    project = tomllib.loads((PROJECT_ROOT / "pyproject.toml").read_text())["project"]
    assert version in SpecifierSet(project["requires-python"])
    assert "--require-hashes" in dockerfile and "HEALTHCHECK" in dockerfile
    users = re.findall(r"^USER (\S+)", dockerfile, flags=re.MULTILINE)
    assert users == ["10001"]


def test_only_what_is_named_comes_into_the_image() -> None:
    lines = (PROJECT_ROOT / ".dockerignore").read_text().splitlines()
    assert lines[0] == "*"
    named = {line.removeprefix("!") for line in lines if line.startswith("!")}
    assert not named & {"secrets", ".env", ".git", ".flight-assets", "tests"}
    copied = re.findall(r"^COPY (?!--from)(.*)$", (PROJECT_ROOT / "Dockerfile").read_text(), re.M)
    sources = {each.split("/")[0] for line in copied for each in line.split()[:-1]}
    assert sources == named


def test_the_proxy_knows_each_page_and_asks_for_a_log_in_before_all() -> None:
    nginx = (DEPLOY / "nginx.conf").read_text()
    server = nginx[nginx.index("server {") :]
    assert server.index("auth_basic_user_file") < server.index("location")
    without = re.findall(r"location = (\S+) \{\n\s+auth_basic off;", server)
    assert without == ["/healthy"] and server.count("auth_basic off") == 1
    pages = dict(re.findall(r'^map "" \$(\w+) \{ default (\S+); \}', pages_of("deploy"), re.M))
    assert set(re.findall(r"proxy_pass http://\$(\w+);", server)) == set(pages)
    ports = {name: re.search(r"--port', '(\d+)'", str(services()[name])) for name in services()}
    for address in pages.values():
        name, port = address.split(":")
        assert ports[name] is not None and ports[name].group(1) == port  # type: ignore[union-attr]


def pages_of(folder: str) -> str:
    return (PROJECT_ROOT / folder / "pages.conf").read_text()


def test_the_override_of_the_tests_changes_where_things_are_and_no_more() -> None:
    class Loader(yaml.SafeLoader):
        pass

    Loader.add_constructor("!reset", lambda *_: None)
    path = PROJECT_ROOT / "tests" / "compose" / "host-network.yml"
    override = yaml.load(path.read_text(), Loader)["services"]
    assert override.keys() == services().keys()
    where = {"network_mode", "extra_hosts"}
    more = {name: each.keys() - where for name, each in override.items() if each.keys() - where}
    assert more == {"migrate": {"build"}, "proxy": {"ports", "volumes"}}
    names = [re.findall(r"\$(\w+)", pages_of(folder)) for folder in ("deploy", "tests/compose")]
    assert names[0] == names[1]


def test_the_command_makes_every_secret_that_the_stack_needs() -> None:
    needed = {n for n, each in file()["secrets"].items() if each["file"].startswith("./secrets/")}
    made = {*PASSWORDS, *USERS_OF_PAGES, *keys_and_certificates(PROJECT_ROOT / "secrets")}
    assert needed and needed <= made
