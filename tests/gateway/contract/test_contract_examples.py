"""Pages of counters in other languages: the one in Java, compiled with generated types, reads an event."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from support.clients.web_desks import NODE

from drivers.passport.observations import DocumentRead, ReadTrigger
from drivers.passport.read_result import document_read, parse_mrz
from gateway.contract.documents.schemas import event_example
from simulators.mrz import Format
from simulators.travellers import TravellerGenerator

CONTRACT = Path("config/contract").resolve()
ORACLES = Path(".oracles").resolve()
SCRIPT = Path("tests/oracles/node/generate_language.js").resolve()
JARS = tuple(Path(f"/usr/share/java/jackson-{part}.jar") for part in ("annotations", "core", "databind"))

pytestmark = [
    pytest.mark.thorough,
    pytest.mark.skipif(
        not (ORACLES / ".node").exists(), reason="make .oracles/.node installs the generator of types"
    ),
]


@pytest.mark.skipif(
    shutil.which("javac") is None or not all(jar.exists() for jar in JARS),
    reason="no Java compiler with Jackson: apt install default-jdk-headless libjackson2-databind-java",
)
def test_program_in_java_reads_an_event(tmp_path: Path) -> None:
    page = Path("gateway/client/java/README.md").read_text()
    (program,) = re.findall(r"```java\n(.*?)```", page, re.DOTALL)
    (tmp_path / "Counter.java").write_text(program)
    schema = CONTRACT / "schemas/document.read.v1.event.json"
    subprocess.run(
        [NODE, SCRIPT, "java", tmp_path / "generated", "DocumentReadEvent", schema],
        check=True,
        env={"NODE_PATH": str(ORACLES / "node_modules")},
    )
    # Debian's own Jackson 2.14 declares one exception more than Jackson's; the page does not use this method.
    converter = tmp_path / "generated/Converter.java"
    text = converter.read_text()
    converter.write_text(text.replace("throws JsonProcessingException", "throws IOException"))
    (tmp_path / "classes").mkdir()
    classes = ":".join(map(str, (*JARS, tmp_path / "classes")))
    sources = [tmp_path / "Counter.java", *(tmp_path / "generated").glob("*.java")]
    compiler = ["javac", "-Xlint:all", "-cp", classes, "-d", tmp_path / "classes", *sources]
    compiled = subprocess.run(compiler, check=False, capture_output=True, text=True)
    assert compiled.returncode == 0, compiled.stderr
    assert "Counter.java" not in compiled.stderr, "the page's own program has no warnings"

    lines = TravellerGenerator(7).document(Format.TD3).lines
    read = document_read(lines, parse_mrz(lines), ReadTrigger.SWIPE, b"wire")
    event = event_example(DocumentRead) | {"data": read.model_dump(mode="json", by_alias=True)}
    shown = subprocess.run(
        ["java", "-cp", classes, "counter.Counter"],
        input=json.dumps(event),
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert read.mrz is not None
    assert shown.startswith(f"UTO {read.mrz.document_number} {read.mrz.primary_identifier}\n")
