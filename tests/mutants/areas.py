"""Table of areas: source files that are mutated, and tests that judge the mutants.

No other module contains paths. A `*` in a source matches any characters, also `/`.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Area:
    """One part of the gateway: its source files and its tests, by paths in the repository."""

    name: str
    sources: tuple[str, ...]
    tests: tuple[str, ...]
    """Files and folders. Tests that take minutes or need a virtual machine are not listed."""
    deselected: tuple[str, ...] = ()
    """Prefixes of the names of tests that take too long to run against every mutant."""
    left_out: tuple[str, ...] = ()
    """Fixtures that apply to every test but that none of these tests needs."""
    at_import: bool = False
    """True: its functions compute constants at import, so every mutant needs a new process; slower."""


AREAS = (
    Area(
        "delivery",
        ("gateway/delivery/*",),
        ("tests/gateway/delivery",),
        deselected=(
            "tests/gateway/delivery/outbox/test_outbox_recovery.py::test_killed_process_loses_no_commit",
        ),
        left_out=("daemons",),
    ),
    Area(
        "commands",
        (
            "gateway/commands/*",
            "gateway/worker/commands.py",
            "gateway/pki/acl.py",
            "gateway/pki/station_keys.py",
            "gateway/pki/statement_verifier.py",
            "gateway/pki/statements.py",
            "drivers/command.py",
        ),
        (
            "tests/gateway/commands",
            "tests/gateway/worker/test_command_runner.py",
            "tests/gateway/worker/test_worker_commands.py",
            "tests/gateway/pki/test_authorisation.py",
            "tests/gateway/pki/test_role_file.py",
            "tests/gateway/pki/test_statements.py",
            "tests/adversary/broker/test_gateway_rights.py",
            "tests/drivers/test_command.py",
        ),
    ),
    Area(
        "barrier",
        ("drivers/barrier/*",),
        (
            "tests/drivers/barrier",
            "tests/gateway/cli/test_barrier_case.py",
            "tests/adversary/boards/test_barrier_configurations.py",
        ),
        deselected=(
            "tests/drivers/barrier/boards/test_boards_after_kill.py",
            "tests/drivers/barrier/test_barrier_interlock.py::test_invariant_17_in_random_order",
        ),
        left_out=("daemons",),
    ),
    Area(
        "workers",
        (
            "gateway/supervision/worker_output.py",
            "gateway/supervision/device_records.py",
            "gateway/supervision/provenance.py",
            "gateway/supervision/device_state.py",
            "gateway/contract/envelope.py",
            "gateway/contract/last_values.py",
        ),
        (
            "tests/gateway/supervision/test_output_checks.py",
            "tests/gateway/supervision/test_device_records.py",
            "tests/gateway/supervision/test_device_state.py",
            "tests/gateway/supervision/test_provenance.py",
            "tests/gateway/contract/test_contract_envelope.py",
        ),
        left_out=("daemons",),
    ),
    Area(
        "mrz",
        (
            "drivers/passport/mrz/checks.py",
            "drivers/passport/mrz/codes.py",
            "drivers/passport/mrz/layouts.py",
            "drivers/passport/mrz/model.py",
            "drivers/passport/mrz/names.py",
            "drivers/passport/mrz/profiles.py",
            "drivers/passport/mrz/parser.py",
            "drivers/passport/mrz/transliteration.py",
            "drivers/passport/mrz/generator.py",
        ),
        ("tests/drivers/passport/mrz",),
        at_import=True,
    ),
    Area(
        "chip",
        (
            "drivers/passport/check_results.py",
            "drivers/passport/chip_result.py",
            "drivers/passport/emrtd/protocols/active_authentication.py",
            "drivers/passport/emrtd/pki/certificates.py",
            "drivers/passport/emrtd/protocols/chip_authentication.py",
            "drivers/passport/emrtd/comparison.py",
            "drivers/passport/emrtd/evidence.py",
            "drivers/passport/emrtd/inspection_result.py",
            "drivers/passport/emrtd/passive_authentication.py",
            "drivers/passport/emrtd/pki/security_object.py",
            "drivers/passport/emrtd/crypto/signatures.py",
            "drivers/passport/emrtd/pki/signed_data.py",
            "drivers/passport/emrtd/pki/trust_store.py",
            "drivers/passport/seals/checks.py",
            "drivers/passport/seals/comparison.py",
        ),
        ("tests/drivers/passport/emrtd", "tests/drivers/passport/seals"),
    ),
    Area(
        "audit",
        (
            "gateway/audit/*",
            "gateway/pki/jws.py",
            "gateway/pki/signing_key.py",
            "gateway/management/device_registry.py",
            "gateway/management/retention.py",
        ),
        (
            "tests/gateway/audit",
            "tests/gateway/pki/test_load_signer.py",
            "tests/gateway/pki/test_signatures.py",
            "tests/gateway/management/test_device_counters.py",
            "tests/gateway/management/test_device_registry.py",
            "tests/gateway/management/test_retention.py",
        ),
        left_out=("daemons",),
    ),
)

COPIED = ("config", "systemd", "README.md", "Makefile", "CHANGELOG.md", "LICENSE")
"""Further files and folders that tests read, in addition to the packages, `tests` and `pyproject.toml`."""
PACKAGES = ("drivers", "gateway", "simulators")

NOT_MUTATED = (r"^\s*log\.", r"^\s*raise \w+\(f?\"")
"""Lines, as regular expressions, in which nothing is mutated: log and error texts."""

FAILED = "failed.log"
"""Output of tests that fail without a mutant, in an area's folder."""
LEFT_OUT = "BORDERPOST_FIXTURES_LEFT_OUT"
"""Environment variable with the names of an area's fixtures to leave out, for `mutants.judging`."""
